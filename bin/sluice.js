#!/usr/bin/env node
// The command. src/cli/main.ts, compiled, does the work.
import { existsSync } from 'node:fs';

const main = new URL('../dist/cli/main.js', import.meta.url);
if (!existsSync(main)) {
  console.error(
    'sluice: not built yet: run `npm install` (or `npm run build:ts`) in its folder first',
  );
  process.exit(1);
}
await import(main.href);
