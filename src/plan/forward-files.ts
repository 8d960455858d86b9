// The files that forward proxies are made of besides the configuration, as compile() is given them: the control plane
// reads and watches them (control/forward-files.ts).
import type { Config, ForwardListenerConfig } from '../config/config.ts';
import type { Cidr } from './plan.ts';

export interface LoadedList {
  readonly digest: string;
  /** Laid out as host-set.ts says. */
  readonly hosts: Uint8Array;
  readonly blocks: readonly Cidr[];
}

export interface LoadedUsers {
  readonly digest: string;
  readonly names: readonly string[];
}

export interface ForwardFiles {
  /** What Via calls this process. */
  readonly instance: string;
  /** By the name of the list. */
  readonly lists: ReadonlyMap<string, LoadedList>;
  /** By the name of the file. */
  readonly users: ReadonlyMap<string, LoadedUsers>;
  /** Pages and PAC files, by the name of the file. */
  readonly texts: ReadonlyMap<string, Uint8Array>;
}

export const NO_FORWARD_FILES: ForwardFiles = {
  instance: 'sluice',
  lists: new Map(),
  users: new Map(),
  texts: new Map(),
};

export interface FileToLoad {
  /** Where it is first named: `lists.ads.file`. */
  readonly path: string;
  readonly file: string;
}

export interface ForwardFilesToLoad {
  readonly lists: readonly (FileToLoad & { readonly name: string; readonly subdomains: boolean })[];
  readonly users: readonly FileToLoad[];
  readonly texts: readonly FileToLoad[];
}

/** Every file that a configuration's forward proxies need, each once. */
export function forwardFilesToLoad(config: Config): ForwardFilesToLoad {
  const users = new Map<string, FileToLoad>();
  const texts = new Map<string, FileToLoad>();
  const note = (into: Map<string, FileToLoad>, path: string, file: string | null): void => {
    if (file !== null && !into.has(file)) into.set(file, { path, file });
  };
  for (const [name, listener] of forwardListeners(config)) {
    const at = `listeners.${name}`;
    note(users, `${at}.users`, listener.users?.file ?? null);
    note(texts, `${at}.denyPage`, listener.denyPage);
    note(texts, `${at}.pac`, typeof listener.pac === 'string' ? listener.pac : null);
  }
  const lists = Object.entries(config.lists).map(([name, { file, subdomains }]) => ({
    path: `lists.${name}`,
    name,
    file,
    subdomains,
  }));
  return { lists, users: [...users.values()], texts: [...texts.values()] };
}

export function forwardListeners(config: Config): (readonly [string, ForwardListenerConfig])[] {
  return Object.entries(config.listeners).flatMap(([name, listener]) =>
    listener.protocol === 'forward' ? [[name, listener] as const] : [],
  );
}
