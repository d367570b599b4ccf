/**
 * Planted bugs, as plants/*.txt lists them: a name (behind `* ` when it is hunted in every run of the tests), the file, `-` the words that stand there, `+` those to put in their
 * place, and `=` a test that fails with it, of those that random cases hardly ever meet. Blocks are separated by empty lines; the name of a list says which witness has its bugs.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Plant {
  /** Who has it, and what is wrong. */
  name: string;
  witness: 'reference' | 'engine';
  /** From the project's root. */
  file: string;
  /** Stands in the file exactly once. */
  text: string;
  replacement: string;
  /** Hunted in every run of the tests. */
  always: boolean;
  /** Asked in the place of random cases: this test fails (words of vitest). */
  test?: string;
}

const folder = fileURLToPath(new URL('plants/', import.meta.url));

function read(block: string, witness: Plant['witness']): Plant {
  const [title = '', file = '', ...lines] = block.trimEnd().split('\n');
  const side = (sign: string): string =>
    lines
      .filter((line) => line.startsWith(sign))
      .map((line) => line.slice(1))
      .join('\n');
  const always = title.startsWith('* ');
  const test = side('=');
  const name = `${witness}: ${title.replace(/^\* /, '')}`;
  return { name, witness, file, text: side('-'), replacement: side('+'), always, ...(test !== '' && { test }) };
}

/** All of them. */
export const plants: readonly Plant[] = readdirSync(folder).flatMap((list) =>
  readFileSync(folder + list, 'utf8')
    .split(/\n\n+/)
    .map((block) => read(block, list.startsWith('engine') ? 'engine' : 'reference')),
);
