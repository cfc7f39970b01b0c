/** Words that do not belong in a folder, each with what to use instead. */
import { CLIENT_ON_NODE } from './imports.ts';
import { lineAt, type Problem, type Source } from './source.ts';

interface Ban {
  readonly rule: string;
  readonly at: readonly string[];
  readonly except?: readonly string[];
  readonly word: RegExp;
  readonly cure: string;
  /** Looked for in the text with its comments, not in the code alone. */
  readonly inText?: true;
}

/** Folders that the simulator runs in one thread under a clock of its own. */
const SIMULATED = ['src/engine/', 'src/node/', 'src/session/', 'src/access/', 'src/client/', 'src/jobs/'];
const ON_NODE: readonly string[] = [...CLIENT_ON_NODE, 'src/client/web/'];
const TAKE_SCHEDULER = 'Take it from the Scheduler port (src/base/scheduler.ts).';

export const BANS: readonly Ban[] = [
  {
    rule: 'engine: time',
    at: ['src/engine/'],
    word: /\b(?:Date\b|performance\.)/g,
    cure: 'Time is the stamp of the entry: context.now.',
  },
  {
    rule: 'engine: randomness',
    at: ['src/engine/'],
    word: /\bMath\.random\b|\bcrypto\b|\brandomUUID\b/g,
    cure: 'Randomness derives from the 16 bytes of the entry.',
  },
  {
    rule: 'engine: platform',
    at: ['src/engine/'],
    word: /\b(?:process|Buffer|globalThis|Intl|TextEncoder|TextDecoder|structuredClone)\b/g,
    cure: 'The engine knows no platform; what it needs comes in the entry or by a port.',
  },
  {
    rule: 'engine: locale',
    at: ['src/engine/'],
    word: /\.(?:localeCompare|normalize|toLocale\w*)\b/g,
    cure: 'Depends on the tables of the platform: order by code unit (src/base/order.ts).',
  },
  {
    rule: 'engine: floats',
    at: ['src/engine/'],
    word: /(?<!\b2\s*)\*\*|\*\*(?!\s*\d)|\bMath\.(?:pow|exp|expm1|log|log2|log10|log1p|sin|cos|tan|asin|acos|atan|atan2|sinh|cosh|tanh|sqrt|cbrt|hypot|fround)\b|\bparseFloat\b|\.to(?:Fixed|Precision|Exponential)\b/g,
    cure: 'Integers only: not every machine rounds these alike.',
  },
  {
    rule: 'engine: collector',
    at: ['src/engine/'],
    word: /\b(?:WeakRef|FinalizationRegistry)\b/g,
    cure: 'What the garbage collector does differs from run to run.',
  },
  {
    rule: 'callbacks below the SDK',
    at: ['src/engine/', 'src/node/', 'src/session/', 'src/jobs/', 'src/log/port.ts', 'src/store/port.ts'],
    // BullMQ answers by promises, and the simulator has no Redis.
    except: ['src/jobs/bullmq.ts'],
    word: /\b(?:async|await|Promise|queueMicrotask)\b/g,
    cure: 'Use callbacks: the simulator steps this code in one thread and must own every turn.',
  },
  {
    rule: 'clocks by port',
    at: SIMULATED,
    except: ON_NODE,
    word: /\b(?:setTimeout|setInterval|setImmediate|clearTimeout|clearInterval)\b|\bDate\.now\b|\bnew\s+Date\b|\bperformance\./g,
    cure: TAKE_SCHEDULER,
  },
  {
    rule: 'randomness by port',
    at: SIMULATED,
    except: ON_NODE,
    word: /\bMath\.random\b|\brandomBytes\b|\brandomUUID\b|\bgetRandomValues\b|\brandomInt\b/g,
    cure: 'Take bytes from the Entropy port (src/base/scheduler.ts).',
  },
  {
    rule: 'process',
    at: ['src/'],
    except: ['src/main.ts', 'src/config.ts', 'src/cli/', 'src/base/', 'src/log/', 'src/telemetry/', ...ON_NODE],
    word: /\bprocess\.(?!hrtime)\w+/g,
    cure: 'Only main, config and the command line know the process: take what you need as an option.',
  },
  {
    rule: 'output',
    at: ['src/', 'protocol/'],
    word: /\bconsole\s*\./g,
    cure: 'Use the logger; the command line writes to its own output.',
  },
  {
    rule: 'any',
    at: ['src/', 'protocol/', 'bench/', 'test/'],
    word: /(?::|\bas|<|,|\|)\s*any\b(?!\s*[:(.}])/g,
    cure: 'Say what it is, or take unknown and decide.',
  },
  {
    rule: 'suppression',
    at: ['src/', 'protocol/', 'bench/', 'test/', 'scripts/'],
    except: ['test/tidy'],
    word: /@ts-(?:ignore|expect-error|nocheck)|(?:eslint|oxlint)-disable/g,
    cure: 'Mend the cause; a rule that is wrong is changed in .oxlintrc.json for everybody.',
    inText: true,
  },
  {
    rule: 'unfinished',
    at: ['src/', 'protocol/', 'bench/', 'test/', 'scripts/'],
    except: ['test/tidy'],
    word: /\b(?:TODO|FIXME|XXX|HACK)\b/g,
    cure: 'Do it, or leave it out and say so in the changelog.',
    inText: true,
  },
  {
    rule: 'only erasable syntax',
    at: ['src/', 'protocol/', 'bench/', 'test/'],
    word: /^\s*(?:export\s+)?(?:declare\s+)?(?:const\s+)?(?:enum|namespace)\s+\w/gm,
    cure: 'Use a const object and the union of its values.',
  },
  {
    rule: 'named exports',
    at: ['src/', 'protocol/'],
    word: /\bexport\s+default\b/g,
    cure: 'A name that is the same everywhere: export it by name.',
  },
  {
    rule: 'every test runs',
    at: ['test/'],
    word: /\b(?:it|test|describe|bench)(?:\.\w+)*\.(?:skip|only|todo|fails|skipIf|runIf)\b/g,
    cure: 'A test runs always or does not exist.',
  },
  {
    rule: 'no sleeps',
    at: ['test/'],
    except: ['test/chaos/', 'test/setup/'],
    word: /=>\s*(?:void\s+)?setTimeout\(\s*\w+\s*,|\btimers\/promises\b|\bsleep\s*\(/g,
    cure: 'Wait for the event, or drive the fake scheduler (test/support).',
  },
];

export function checkWords(sources: readonly Source[]): Problem[] {
  const problems: Problem[] = [];
  const within = (paths: readonly string[], path: string) => paths.some((entry) => path.startsWith(entry));
  for (const source of sources) {
    for (const ban of BANS) {
      if (!within(ban.at, source.path) || within(ban.except ?? [], source.path)) continue;
      for (const match of (ban.inText ? source.text : source.code).matchAll(ban.word)) {
        const line = lineAt(source, match.index + match[0].search(/\S/) + 1);
        problems.push({ rule: ban.rule, path: source.path, line, cure: `${match[0].trim()}: ${ban.cure}` });
      }
    }
  }
  return problems;
}
