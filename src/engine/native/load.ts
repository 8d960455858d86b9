// The only place that loads the addon. Never throws: without the addon the answer says why, so that `auto` can
// go on without it and `native` can explain itself.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { ABI } from '../../contract/codes.ts';
import type { NativeAddon } from './addon.d.ts';

export type LoadedAddon =
  | { readonly addon: NativeAddon; readonly reason?: undefined }
  | { readonly addon?: undefined; readonly reason: string };

const require = createRequire(import.meta.url);

/** Compiled output and sources lie equally deep below the package's root. */
const addonPath = new URL('../../../build/Release/sluice.node', import.meta.url);

const REBUILD = 'run `npm rebuild sluice`, or in a clone `npm run build:addon`';

export function loadAddon(): LoadedAddon {
  if (process.platform !== 'linux') {
    return { reason: `the native engine needs Linux and this is ${process.platform}` };
  }
  if (!existsSync(addonPath)) {
    return {
      reason: `the native addon has not been built: install python3, make and g++ (Debian: apt-get install -y python3 make g++), then ${REBUILD}`,
    };
  }
  let addon: NativeAddon;
  try {
    addon = require(addonPath.pathname) as NativeAddon;
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
    return { reason: `the native addon does not load (${why}); ${REBUILD}` };
  }
  if (addon.abi !== ABI) {
    return { reason: `the native addon was built from other sources; ${REBUILD}` };
  }
  return { addon };
}
