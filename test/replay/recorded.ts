/** Captures that were recorded together with what the real tools of that machine counted (a folder with a record.sh): both programs over them, and tables to compare. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DualRules, loadRules } from '../../src/cli/rules.ts';
import type { HostGiven } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { prepare, replayOne } from '../../src/replay/replay.ts';
import { buildReport, type Report } from '../../src/report/report.ts';
import { renderSaved } from '../../src/report/saved.ts';

/** The tables of saved rules, each with its lines, in an order of their own. */
export function tablesOf(saved: string): string[] {
  const lines = saved.split('\n').filter((line) => !line.startsWith('#'));
  const tables = lines.join('\n').split(/(?=^\*)/m);
  return tables.map((table) => table.trim()).sort();
}

/** A folder of this one. `capture`: the file's name. */
export class Recorded {
  readonly #folder: string;
  readonly capture: string;
  readonly rules: DualRules;

  /** `saved`: the file of IPv4's rules. */
  constructor(folder: string, capture: string, saved = 'rules.v4') {
    this.#folder = fileURLToPath(new URL(folder, import.meta.url));
    this.capture = this.path(capture);
    const rules6 = existsSync(this.path('rules.v6')) ? { rules6: this.path('rules.v6') } : {};
    this.rules = loadRules({ rules: [this.path(saved)], ...rules6, unsupported: 'refuse' })[0]!;
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  json(name: string): Record<string, unknown>[] {
    return JSON.parse(readFileSync(this.path(name), 'utf8')) as Record<string, unknown>[];
  }

  /** What the machine's own tools counted. */
  counted(): string[] {
    const names = this.rules[6] === undefined ? ['counters.v4'] : ['counters.v4', 'counters.v6'];
    return tablesOf(names.map((name) => readFileSync(this.path(name), 'utf8')).join(''));
  }

  /** The reports of both programs. */
  async reports(given: HostGiven): Promise<Report[]> {
    const { rules, capture } = this;
    const prepared = await prepare([capture], [rules], given);
    const { host } = prepared;
    return Promise.all(
      (['reference', 'wasm'] as const).map(async (engine) => {
        const { result } = await replayOne(prepared, { rules, host, profile: DEFAULT_PROFILE }, { engine, tree: true });
        return buildReport({ rules, host, profile: DEFAULT_PROFILE, result, notes: [] });
      }),
    );
  }

  /** The tables of a report. */
  tables(report: Report): string[] {
    return tablesOf(renderSaved(report, this.rules[6] === undefined ? [this.rules[4]!] : [this.rules[4]!, this.rules[6]]));
  }
}
