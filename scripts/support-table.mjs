// npm run support-table: writes the README's table of supported and unsupported extensions from the registry. --check only compares (a test does).
import { readFileSync, writeFileSync } from 'node:fs';
import { root } from './ready.mjs';

const { extensions } = await import(`${root}/dist/extensions/index.js`);
const { goneFrom, upstream } = await import(`${root}/dist/extensions/upstream.js`);

const { KERNELS } = await import(`${root}/dist/model/profile.js`);

const BEGIN = '<!-- support table: made by npm run support-table -->';
const END = '<!-- end of the support table -->';

const family = (families) => (families.length === 2 ? 'IPv4, IPv6' : `IPv${families[0]}`);

export function supportTable() {
  const rows = (kind) =>
    extensions
      .filter((extension) => extension.kind === kind)
      .sort((a, b) => a.name.localeCompare(b.name))
      .map(({ name, families, about }) => `| \`${name}\` | ${family(families)} | ${about} |`);
  const known = (kind, name) => extensions.some((extension) => extension.kind === kind && extension.name === name);
  // Objects nobody names: verdicts and what stands behind DNAT and SNAT.
  const inner = ['standard', 'NAT'];
  const names = [
    ...new Set(upstream.filter(({ kind, name }) => !known(kind, name) && !inner.includes(name)).map(({ name }) => name)),
  ];
  const missing = names
    .sort((a, b) => a.localeCompare(b))
    .map((name) => {
      const without = KERNELS.filter((kernel) => goneFrom(kernel, name) !== undefined);
      const supported = KERNELS.filter((kernel) => !without.includes(kernel));
      return `\`${name}\` (by Linux ${without.join(', ')}${supported.length === 0 ? '' : `; not supported with ${supported.join(', ')}`})`;
    });
  return [
    BEGIN,
    '',
    'Always there: `-s` `-d` `-i` `-o` `-p` `-f`, user chains, `-j`, `-g`, `ACCEPT`, `DROP`, `RETURN`, all five tables.',
    '',
    '| match | families | about |',
    '|---|---|---|',
    ...rows('match'),
    '',
    '| target | families | about |',
    '|---|---|---|',
    ...rows('target'),
    '',
    `**Refused**, with their place (or assumed with \`--unsupported\`), as the kernels do: ${missing.join('; ')}.`,
    '',
    END,
  ].join('\n');
}

const file = `${root}/README.md`;
const readme = readFileSync(file, 'utf8');
const [before, rest = ''] = readme.split(BEGIN);
const after = rest.split(END)[1];
if (after === undefined) {
  console.error('README.md has no place for the support table');
  process.exit(1);
}
const wanted = `${before}${supportTable()}${after}`;
if (process.argv.includes('--check')) {
  if (wanted !== readme) {
    console.error('the support table in README.md is not that of the registry: npm run support-table');
    process.exit(1);
  }
} else if (wanted !== readme) {
  writeFileSync(file, wanted);
}
