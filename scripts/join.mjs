// Joins the programs of dist/ (the command line, the thread of a shared replay) into dist/joined/: Node takes a third of a millisecond to open a module, and a replay has hundreds.
// What a program imports only when it is needed (`import()`) is a file of its own. It understands what tsc makes of our sources, and refuses what it does not.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path/posix';

const IMPORT = /^import (?:\{([^}]*)\}|\* as (\w+)|(\w+)) from '([^']+)';$/gm;
const REEXPORT = /^export (?:\{([^}]*)\}|\* as (\w+)) from '([^']+)';$/gm;
const DECLARED = /^export ((?:async )?function\*? |class |const )(\w+)/gm;
const LISTED = /^export \{([^}]*)\};$/gm;
const LATER = /\bimport\('(\.[^']+)'\)/g;
const WORKER = /new URL\('(\.\/[^']+\.js)', import\.meta\.url\)/g;
const HERE = /\bimport\.meta\.url\b/g;

/** `entries`: paths below dist. Each becomes dist/joined/NAME.js with the exports it had. */
export function joinPrograms(dist, entries) {
  rmSync(join(dist, 'joined'), { recursive: true, force: true });
  mkdirSync(join(dist, 'joined'));
  const written = new Set();
  for (const entry of entries) new Program(dist, entry, entries, written).write();
}

class Program {
  #dist;
  #entry;
  #entries;
  /** Names of files, of all programs. */
  #written;
  /** By path: its text, the paths it imports, now and later. */
  #modules = new Map();
  /** By path: the file it went to. */
  #places = new Map();

  constructor(dist, entry, entries, written) {
    this.#dist = dist;
    this.#entry = entry;
    this.#entries = entries;
    this.#written = written;
  }

  write() {
    this.#file(this.#entry);
    const later = new Set([...this.#reached(this.#entry)].flatMap((path) => this.#read(path).later));
    // What two of them share goes to the smaller one.
    const sizes = [...later].map((path) => [path, this.#reached(path).length]).sort(([, one], [, other]) => one - other);
    for (const [path] of sizes) this.#file(path);
  }

  #read(path) {
    const known = this.#modules.get(path);
    if (known !== undefined) return known;
    const text = readFileSync(join(this.#dist, path), 'utf8').replace(/\n\/\/# sourceMappingURL=.*/, '\n');
    const all = (pattern, group) => [...text.matchAll(pattern)].map((match) => match[group]);
    const own = (names) => names.filter((name) => name.startsWith('.')).map((name) => join(dirname(path), name));
    const imports = own([...all(IMPORT, 4), ...all(REEXPORT, 3)]);
    const made = { text, imports, later: own(all(LATER, 1)) };
    this.#modules.set(path, made);
    return made;
  }

  /** The modules that are there when a module runs, itself included; each behind what it imports. */
  #reached(path, order = [], under = []) {
    if (order.includes(path)) return order;
    if (under.includes(path)) throw new Error(`dist/${path}: imports itself: ${[...under, path].join(' > ')}`);
    for (const name of this.#read(path).imports) this.#reached(name, order, [...under, path]);
    order.push(path);
    return order;
  }

  /** One file: the modules of `entry` that are in no other file yet. */
  #file(entry) {
    const reached = this.#reached(entry);
    const others = new Set(reached.flatMap((path) => this.#places.get(path) ?? []));
    const own = reached.filter((path) => !this.#places.has(path));
    const name = basename(entry);
    if (this.#written.has(name)) throw new Error(`dist/${entry}: another joined file is called ${name}`);
    this.#written.add(name);
    for (const path of own) this.#places.set(path, name);
    const packages = new Map();
    const bodies = own.map((path) => this.#body(path, packages));
    const first = basename(this.#entry);
    const lines = [
      ...[...packages].map(([from, as]) => `import * as ${as} from '${from}';`),
      ...(name === first ? ['export const modules$ = {};'] : [`import { modules$ } from './${first}';`]),
      ...[...others].filter((other) => other !== first).map((other) => `import './${other}';`),
      ...bodies,
      ...exportsOf(this.#read(entry).text).map(([as]) => `export const ${as} = modules$['${entry}'].${as};`),
      '',
    ];
    writeFileSync(join(this.#dist, 'joined', name), lines.join('\n'));
  }

  /** A module as a function of its own that is called at once: what it exports, by name. */
  #body(path, packages) {
    const from = (name) => {
      if (name.startsWith('.')) return `modules$['${join(dirname(path), name)}']`;
      if (!packages.has(name)) packages.set(name, `package${packages.size}$`);
      return packages.get(name);
    };
    const { text } = this.#read(path);
    const code = text
      .replace(IMPORT, (_, names, all, whole, name) =>
        names !== undefined
          ? `const {${names.replace(/ as /g, ': ')}} = ${from(name)};`
          : `const ${all ?? whole} = ${from(name)}${all === undefined ? '.default' : ''};`,
      )
      .replace(REEXPORT, '')
      .replace(LISTED, '')
      .replace(DECLARED, '$1$2')
      .replace(LATER, (_, name) => `import('./${basename(name)}')`)
      .replace(WORKER, (whole, name) =>
        this.#entries.includes(join(dirname(path), name)) ? `new URL('./${basename(name)}', import.meta.url)` : whole,
      )
      .replace(HERE, (whole, at, all) => this.#here(path, all.slice(0, at)) ?? whole);
    const odd = code.match(/^(import|export) .*$/m);
    if (odd !== null) throw new Error(`dist/${path}: join.mjs does not know: ${odd[0]}`);
    const exported = exportsOf(text).map(
      ([as, name, where]) => `${as}: ${where === undefined ? name : `${from(where)}.${name}`}`,
    );
    const waits = /^(?:const .* = )?await /m.test(code);
    const [open, close] = waits ? ['await (async () => {', '})();'] : ['(() => {', '})();'];
    return `modules$['${path}'] = ${open}\n${code}return { ${exported.join(', ')} };\n${close}`;
  }

  /** Where the module stood, as an expression; nothing behind the URL of a file beside us. */
  #here(path, before) {
    if (this.#entries.some((entry) => before.endsWith(`new URL('./${basename(entry)}', `))) return undefined;
    return `new URL('${relative('joined', path)}', import.meta.url).href`;
  }
}

/** What a module exports: [as, own name, undefined] or [as, name there, from]. */
function exportsOf(text) {
  const names = (list) =>
    list
      .split(',')
      .map((one) => one.trim())
      .filter((one) => one !== '');
  const pairs = (list) =>
    names(list)
      .map((one) => one.split(' as '))
      .map(([name, as = name]) => [as, name]);
  return [
    ...[...text.matchAll(DECLARED)].map(([, , name]) => [name, name]),
    ...[...text.matchAll(LISTED)].flatMap(([, list]) => pairs(list)),
    ...[...text.matchAll(REEXPORT)].flatMap(([, list, all, from]) =>
      all === undefined ? pairs(list).map((pair) => [...pair, from]) : [[all, all, from]],
    ),
  ];
}
