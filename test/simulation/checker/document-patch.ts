/** Applies a unified diff, line by line; undefined: it does not fit the text. */
export function patched(before: string, diff: string): string | undefined {
  const old = linesOf(before);
  const made: string[] = [];
  let at = 0;
  const said = linesOf(diff);
  for (const [i, line] of said.entries()) {
    const hunk = /^@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@\n$/.exec(line);
    if (hunk !== null) {
      const first = Number(hunk[1]) - (hunk[2] === '0' ? 0 : 1);
      made.push(...old.slice(at, first));
      at = first;
      continue;
    }
    if (/^(?:---|\+\+\+) version \d+\n$/.test(line) || line.startsWith('\\')) continue;
    const text = said[i + 1]?.startsWith('\\') === true ? line.slice(1, -1) : line.slice(1);
    if (line.startsWith('+')) made.push(text);
    else {
      if (old[at] !== text) return undefined;
      if (line.startsWith(' ')) made.push(text);
      at += 1;
    }
  }
  return [...made, ...old.slice(at)].join('');
}

/** How many lines begin so, heads aside. */
export function countSigned(diff: string, sign: '+' | '-'): number {
  return linesOf(diff).filter((line) => line.startsWith(sign) && !/^(?:---|\+\+\+) version \d+\n$/.test(line)).length;
}

function linesOf(text: string): readonly string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}
