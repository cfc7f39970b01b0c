/** How a report is shown: one JSON object for programs, tables for people. */
import type { Machine } from './machine.ts';
import { machineLine } from './machine.ts';
import type { ScenarioReport } from './scenario.ts';

export interface FinishedReport extends ScenarioReport {
  readonly scenario: string;
  readonly machine: Machine;
  readonly runs: number;
}

export function asJson(report: FinishedReport): string {
  const { scenario, machine, runs, figures, ratios, bottleneck } = report;
  return `${JSON.stringify({ scenario, machine, runs, figures, ratios, bottleneck })}\n`;
}

export function asText(report: FinishedReport): string {
  const lines = [`${report.scenario}: ${report.runs} runs on ${machineLine(report.machine)}`, ''];
  const width = Math.max(...Object.keys(report.figures).map((name) => name.length), 10);
  for (const [name, of] of Object.entries(report.figures))
    lines.push(`  ${name.padEnd(width)}  ${number(of.median)} ${of.unit}  [${number(of.min)} .. ${number(of.max)}]`);
  lines.push('');
  for (const [name, of] of Object.entries(report.ratios)) {
    const bound = of.bound === 'min' ? 'at least' : 'at most';
    lines.push(`  ${of.ok ? 'ok    ' : 'MISSED'}  ${name}: ${number(of.value)} (${bound} ${of.target})`);
  }
  lines.push('', `bottleneck: ${report.bottleneck}`, '');
  return lines.join('\n');
}

function number(value: number): string {
  return Math.abs(value) >= 1_000 ? Math.round(value).toLocaleString('en-US') : String(value);
}
