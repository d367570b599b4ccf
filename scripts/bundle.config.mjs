// vite build --config scripts/bundle.config.mjs: the programs of dist/ (the command line, the thread of a shared replay) in a few files, dist/joined/, which bin/ starts:
// Node takes a third of a millisecond to open a module, and a replay has hundreds. What is imported when it is needed (`import()`) stays a file of its own.
import { relative } from 'node:path/posix';
import { fileURLToPath } from 'node:url';

const dist = fileURLToPath(new URL('../dist', import.meta.url));

/** Files beside a module are found by its place. One folder below dist is as deep as dist/joined/; what lay deeper is told where it was. */
const places = {
  name: 'places',
  transform(code, id) {
    const path = relative(dist, id);
    if (path.startsWith('..') || path.split('/').length <= 2) return null;
    return code.replaceAll('import.meta.url', `new URL('../${path}', import.meta.url).href`);
  },
};

export default {
  logLevel: 'warn',
  plugins: [places],
  build: {
    ssr: true,
    target: 'node20',
    outDir: `${dist}/joined`,
    emptyOutDir: true,
    rolldownOptions: {
      input: { main: `${dist}/cli/main.js`, 'share-worker': `${dist}/replay/share-worker.js` },
      output: { entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' },
    },
  },
};
