/** Reads Lua: from its text to statements (lua.ts says how much of it). */
export type Expression =
  | { readonly kind: 'value'; readonly value: string | number | boolean | undefined }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'index'; readonly of: Expression; readonly key: Expression }
  | { readonly kind: 'call'; readonly called: Expression; readonly args: readonly Expression[] }
  | { readonly kind: 'table'; readonly items: readonly Expression[] }
  | { readonly kind: 'not' | 'length'; readonly of: Expression }
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: Expression; readonly right: Expression };

export type Statement =
  | { readonly kind: 'local'; readonly names: readonly string[]; readonly values: readonly Expression[] }
  | { readonly kind: 'assign'; readonly targets: readonly Expression[]; readonly values: readonly Expression[] }
  | {
      readonly kind: 'function';
      readonly name: string;
      readonly params: readonly string[];
      readonly body: readonly Statement[];
    }
  | { readonly kind: 'call'; readonly call: Expression }
  | { readonly kind: 'return'; readonly value: Expression | undefined }
  | {
      readonly kind: 'if';
      readonly branches: readonly { readonly when: Expression | undefined; readonly body: readonly Statement[] }[];
    }
  | {
      readonly kind: 'count';
      readonly name: string;
      readonly from: Expression;
      readonly to: Expression;
      readonly by: Expression | undefined;
      readonly body: readonly Statement[];
    }
  | {
      readonly kind: 'each';
      readonly index: string;
      readonly value: string;
      readonly over: Expression;
      readonly body: readonly Statement[];
    };

const TOKEN = /--[^\n]*|'(?:[^'\\]|\\.)*'|\d+(?:\.\d+)?|[A-Za-z_]\w*|\.\.|==|~=|<=|>=|[-+*/%#<>=(){}[\],.;]|\s+/y;
const WORDS: ReadonlySet<string> = new Set(
  'and or not if then elseif else end for in do local function return true false nil'.split(' '),
);
/** Weakest first. */
const LEVELS: readonly ReadonlySet<string>[] = [
  new Set(['or']),
  new Set(['and']),
  new Set(['==', '~=', '<', '>', '<=', '>=']),
  new Set(['..']),
  new Set(['+', '-']),
  new Set(['*', '/']),
];

export class LuaReader {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
  }

  chunk(): readonly Statement[] {
    const block = this.#block();
    if (this.#at < this.#tokens.length) throw this.#unexpected();
    return block;
  }

  #block(): readonly Statement[] {
    const block: Statement[] = [];
    while (this.#at < this.#tokens.length && !['end', 'else', 'elseif'].includes(this.#next)) {
      block.push(this.#statement());
      this.#takes(';');
    }
    return block;
  }

  #statement(): Statement {
    if (this.#takes('local')) return this.#takes('function') ? this.#function() : this.#local();
    if (this.#takes('return')) return this.#return();
    if (this.#takes('if')) return this.#if();
    if (this.#takes('for')) return this.#for();
    const first = this.#suffixed();
    if (first.kind === 'call') return { kind: 'call', call: first };
    const targets: Expression[] = [first];
    while (this.#takes(',')) targets.push(this.#suffixed());
    this.#must('=');
    return { kind: 'assign', targets, values: this.#list() };
  }

  #local(): Statement {
    const names = [this.#name()];
    while (this.#takes(',')) names.push(this.#name());
    return { kind: 'local', names, values: this.#takes('=') ? this.#list() : [] };
  }

  #function(): Statement {
    const name = this.#name();
    const params: string[] = [];
    this.#must('(');
    while (!this.#takes(')')) {
      params.push(this.#name());
      this.#takes(',');
    }
    const body = this.#block();
    this.#must('end');
    return { kind: 'function', name, params, body };
  }

  #return(): Statement {
    const none = this.#at === this.#tokens.length || ['end', 'else', 'elseif'].includes(this.#next);
    return { kind: 'return', value: none ? undefined : this.#expression() };
  }

  #if(): Statement {
    const branches: { when: Expression | undefined; body: readonly Statement[] }[] = [];
    do {
      const when = this.#expression();
      this.#must('then');
      branches.push({ when, body: this.#block() });
    } while (this.#takes('elseif'));
    if (this.#takes('else')) branches.push({ when: undefined, body: this.#block() });
    this.#must('end');
    return { kind: 'if', branches };
  }

  #for(): Statement {
    const name = this.#name();
    if (this.#takes('=')) {
      const from = this.#expression();
      this.#must(',');
      const to = this.#expression();
      const by = this.#takes(',') ? this.#expression() : undefined;
      return { kind: 'count', name, from, to, by, body: this.#loop() };
    }
    this.#must(',');
    const value = this.#name();
    for (const word of ['in', 'ipairs', '(']) this.#must(word);
    const over = this.#expression();
    this.#must(')');
    return { kind: 'each', index: name, value, over, body: this.#loop() };
  }

  #loop(): readonly Statement[] {
    this.#must('do');
    const body = this.#block();
    this.#must('end');
    return body;
  }

  #list(): readonly Expression[] {
    const list = [this.#expression()];
    while (this.#takes(',')) list.push(this.#expression());
    return list;
  }

  #expression(level = 0): Expression {
    const operators = LEVELS[level];
    if (operators === undefined) return this.#unary();
    let left = this.#expression(level + 1);
    while (operators.has(this.#next)) {
      const operator = this.#take();
      // `..` binds to the right, which gives the same text.
      const right = this.#expression(level + 1);
      if (operator === 'and' || operator === 'or') left = { kind: operator, left, right };
      else left = { kind: 'binary', operator, left, right };
    }
    return left;
  }

  #unary(): Expression {
    if (this.#takes('not')) return { kind: 'not', of: this.#unary() };
    if (this.#takes('#')) return { kind: 'length', of: this.#unary() };
    if (this.#takes('-'))
      return { kind: 'binary', operator: '-', left: { kind: 'value', value: 0 }, right: this.#unary() };
    return this.#suffixed();
  }

  #suffixed(): Expression {
    let expression = this.#primary();
    for (;;) {
      if (this.#takes('.')) {
        expression = { kind: 'index', of: expression, key: { kind: 'value', value: this.#name() } };
      } else if (this.#takes('[')) {
        const key = this.#expression();
        this.#must(']');
        expression = { kind: 'index', of: expression, key };
      } else if (this.#takes('(')) {
        const args = this.#next === ')' ? [] : this.#list();
        this.#must(')');
        expression = { kind: 'call', called: expression, args };
      } else return expression;
    }
  }

  #primary(): Expression {
    if (this.#takes('(')) {
      const inner = this.#expression();
      this.#must(')');
      return inner;
    }
    if (this.#takes('{')) {
      const items = this.#next === '}' ? [] : this.#list();
      this.#must('}');
      return { kind: 'table', items };
    }
    if (this.#takes('true')) return { kind: 'value', value: true };
    if (this.#takes('false')) return { kind: 'value', value: false };
    if (this.#takes('nil')) return { kind: 'value', value: undefined };
    if (/^\d/.test(this.#next)) return { kind: 'value', value: Number(this.#take()) };
    if (this.#next.startsWith("'")) return { kind: 'value', value: this.#take().slice(1, -1) };
    return { kind: 'name', name: this.#name() };
  }

  get #next(): string {
    return this.#tokens[this.#at] ?? '';
  }

  #take(): string {
    const token = this.#next;
    this.#at += 1;
    return token;
  }

  #takes(token: string): boolean {
    if (this.#next !== token) return false;
    this.#at += 1;
    return true;
  }

  #must(token: string): void {
    if (!this.#takes(token)) throw this.#unexpected();
  }

  #name(): string {
    if (!/^[A-Za-z_]/.test(this.#next) || WORDS.has(this.#next)) throw this.#unexpected();
    return this.#take();
  }

  #unexpected(): Error {
    const around = this.#tokens.slice(Math.max(0, this.#at - 5), this.#at + 1).join(' ');
    return new Error(`this Lua is not understood: ${around}`);
  }
}

function tokensOf(text: string): readonly string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const from = TOKEN.lastIndex;
    const [token = ''] = TOKEN.exec(text) ?? [];
    if (token === '' || token.includes('\\'))
      throw new Error(`this Lua is not understood: ${text.slice(from, from + 40)}`);
    if (!/^(?:--|\s)/.test(token)) tokens.push(token);
  }
  return tokens;
}
