// vite build --config scripts/bundle.config.mjs --mode main (or replay-thread): a program of dist/ (the command line, the thread of a shared replay) in a file of dist/joined/, where
// bin/ finds it: Node takes a third of a millisecond to open a module, and a replay has hundreds. What is imported when it is needed (`import()`) stays a file of its own.
// It is CommonJS with the packages inside, so that V8 can be given the code it made last time (bin/load.js), and ASCII: other characters make V8 keep all of it in two bytes each.
import { relative } from 'node:path/posix';
import { fileURLToPath } from 'node:url';

const dist = fileURLToPath(new URL('../dist', import.meta.url));

const PROGRAMS = { main: `${dist}/cli/main.js`, 'replay-thread': `${dist}/replay/replay-thread.js` };

/** Files beside a module are found by its place. One folder below dist is as deep as dist/joined/; what lay deeper is told where it was. */
const places = {
  name: 'places',
  transform(code, id) {
    const path = relative(dist, id);
    if (path.startsWith('..') || path.split('/').length <= 2) return null;
    return code.replaceAll('import.meta.url', `new URL('../${path}', import.meta.url).href`);
  },
};

/** pcap-parser fills all of the buffers it makes in the old way, of which Node warns outside of node_modules. */
const buffers = {
  name: 'buffers',
  transform: (code, id) => (id.includes('/pcap-parser/') ? code.replaceAll('new Buffer(', 'Buffer.alloc(') : null),
};

/** commander can start commands that are programs of their own. There are none, and Node takes most of a millisecond to load what starts them. */
const programs = {
  name: 'programs',
  transform: (code, id) =>
    id.endsWith('/commander/lib/command.js') ? code.replace("require('node:child_process')", '{}') : null,
};

/** The package is one of ES modules; this folder is not. */
const commonjs = {
  name: 'commonjs',
  generateBundle() {
    this.emitFile({ type: 'asset', fileName: 'package.json', source: '{ "type": "commonjs" }\n' });
  },
};

export default ({ mode }) => ({
  logLevel: 'warn',
  plugins: [places, buffers, programs, commonjs],
  ssr: { noExternal: true },
  build: {
    ssr: true,
    target: 'node20',
    outDir: `${dist}/joined`,
    emptyOutDir: mode === 'main',
    license: { fileName: `${mode}.licenses.md` },
    rolldownOptions: {
      input: { [mode]: PROGRAMS[mode] },
      output: {
        format: 'cjs',
        charset: 'ascii',
        comments: false,
        entryFileNames: '[name].js',
        chunkFileNames: '[name]-[hash].js',
      },
    },
  },
});
