import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'scripts/fresh-engine.mjs',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
    // Built copies of the project with planted bugs (test/fuzz/canary): run as they are.
    server: { deps: { external: [/\/build\/canary\//] } },
  },
});
