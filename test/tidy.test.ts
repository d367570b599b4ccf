/** The house keeps its order: imports go one way, files stay short, the neutral entry stays neutral. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Floors of src/, ground first. A room imports from floors below it; rooms of one floor do not know each other. */
const FLOORS = [
  ['abi'],
  ['model'],
  ['capture'],
  ['packet'],
  ['extensions'],
  ['syntax', 'compile'],
  ['reference', 'engine', 'kernel'],
  ['replay'],
  ['report', 'analyse'],
  ['fuzz'],
  ['cli', 'web'],
];

/** Rooms and files that may use node: modules; everything else runs in a browser too. */
const NODE_PLACES = [
  /^src\/(kernel|cli)\//,
  /^src\/fuzz\/(folder|save|corpus|workers)\.ts$/,
  /^src\/replay\/(open|pipe|gunzip|run|replay|unhurried|engine-session|engine-module|parallel|share-thread|pipeline|pipeline-reader|replay-thread)\.ts$/,
  /^src\/capture\/classic\.ts$/,
  /^src\/node\.ts$/,
];

const MAXIMUM_LINES = 400;

function files(folder: string, ending: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder)).flatMap((name) => {
    const path = `${folder}/${name}`;
    if (statSync(join(root, path)).isDirectory()) return files(path, ending);
    return path.endsWith(ending) && !path.endsWith('.d.ts') ? [path] : [];
  });
}

const text = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Module names a file imports (types too), as written. */
function importsOf(path: string): string[] {
  const statement =
    /^(?:import\s+(?:(?:type\s+)?[\w*{},\s$]+?\s+from\s+)?|export\s+(?:type\s+)?(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})\s+from\s+)['"]([^'"]+)['"]/gm;
  return [...text(path).matchAll(statement)].map((match) => match[1]!);
}

const resolved = (from: string, name: string): string => normalize(join(dirname(from), name)).replaceAll('\\', '/');
const floorOf = (room: string): number => FLOORS.findIndex((rooms) => rooms.includes(room));

const hostFiles = files('src', '.ts');
const engineFiles = files('assembly', '.ts');

describe('the house', () => {
  it('has files to look at', () => {
    expect(hostFiles.length).toBeGreaterThan(50);
    expect(engineFiles.length).toBeGreaterThan(20);
  });

  it('imports go down only', () => {
    const wrong: string[] = [];
    for (const path of hostFiles) {
      const room = path.split('/')[1]!;
      if (room.endsWith('.ts')) continue;
      for (const name of importsOf(path)) {
        if (!name.startsWith('.')) continue;
        const target = resolved(path, name).split('/')[1]!;
        if (target !== room && !(floorOf(target) < floorOf(room) && floorOf(target) >= 0)) wrong.push(`${path} imports ${name}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('relative imports of host code name their file', () => {
    const wrong = hostFiles.flatMap((path) =>
      importsOf(path)
        .filter((name) => name.startsWith('.') && !existsSync(join(root, resolved(path, name))))
        .map((name) => `${path}: ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  it('abi imports nothing, and the engine imports only itself and abi', () => {
    expect(hostFiles.filter((path) => path.startsWith('src/abi/') && importsOf(path).length > 0)).toEqual([]);
    const wrong = engineFiles.flatMap((path) =>
      importsOf(path)
        .filter((name) => !/^(assembly|src\/abi)\//.test(resolved(path, name)))
        .map((name) => `${path}: ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  it('only node places use node', () => {
    const wrong = hostFiles.filter(
      (path) => importsOf(path).some((name) => name.startsWith('node:')) && !NODE_PLACES.some((place) => place.test(path)),
    );
    expect(wrong).toEqual([]);
  });

  it('the neutral entry reaches no node module', () => {
    const seen = new Set<string>();
    const visit = (path: string): void => {
      if (seen.has(path)) return;
      seen.add(path);
      for (const name of importsOf(path)) if (name.startsWith('.')) visit(resolved(path, name));
    };
    visit('src/index.ts');
    expect([...seen].filter((path) => NODE_PLACES.some((place) => place.test(path)))).toEqual([]);
    expect([...seen].length).toBeGreaterThan(30);
  });

  it('files are short', () => {
    const long = [...hostFiles, ...engineFiles, ...files('bench', '.ts')]
      .map((path) => [path, text(path).split('\n').length] as const)
      .filter(([, lines]) => lines > MAXIMUM_LINES);
    expect(long).toEqual([]);
  });

  it('every file says what it is', () => {
    const silent = [...hostFiles, ...engineFiles].filter((path) => !/^\/\*\*|^\/\//.test(text(path)));
    expect(silent.map((path) => relative('.', path))).toEqual([]);
  });

  it('no test is switched off in passing', () => {
    const wrong = files('test', '.test.ts').filter(
      (path) =>
        path !== 'test/tidy.test.ts' && /\b(?:it|test|describe)\.(?:only|todo)\b|\b(?:it|test|describe)\.skip\(/.test(text(path)),
    );
    expect(wrong).toEqual([]);
  });
});
