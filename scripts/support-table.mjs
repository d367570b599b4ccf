// npm run support-table: writes the README's table of supported and unsupported extensions from the registry. --check only compares (a test does).
import { readFileSync, writeFileSync } from 'node:fs';
import { root } from './ready.mjs';

const { extensions } = await import(`${root}/dist/extensions/index.js`);
const { upstream } = await import(`${root}/dist/extensions/upstream.js`);

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
  const missing = (kind) =>
    [
      ...new Set(
        upstream
          .filter((entry) => entry.kind === kind && !known(kind, entry.name) && !inner.includes(entry.name))
          .map(({ name }) => name),
      ),
    ]
      .sort((a, b) => a.localeCompare(b))
      .map((name) => `\`${name}\``)
      .join(' ');
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
    `**Not supported yet**, refused with their place (or assumed with \`--unsupported\`): matches ${missing('match')}; targets ${missing('target')}.`,
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
