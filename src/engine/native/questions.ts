// Brings the questions of the addon's workers to the control plane and its answers back. Main thread.
import { addressBytes } from '../../contract/address.ts';
import { ADDRESS_FAMILIES, errorCodeNumber, QUESTIONS } from '../../contract/codes.ts';
import type { NameAnswer, Oracle } from '../engine.ts';
import type { NativeEngine } from './addon.d.ts';

const ADDRESS_BYTES = 17;
/** What the boundary carries: 32 bits. */
const MAX_TTL_MS = 0xffff_ffff;

export function answerQuestions(native: NativeEngine, oracle: Oracle): void {
  native.onQuestions((question, kind, subject, name, password) => {
    if (QUESTIONS[kind] === 'password') {
      void isPassword(oracle, subject, name, password).then((isRight) =>
        native.answerPassword(question, isRight),
      );
      return;
    }
    void addressesOf(oracle, subject).then(({ error, ttlMs, addresses }) =>
      native.answerName(question, errorCodeNumber(error), ttlMs, addresses),
    );
  });
}

// Every question is answered once, whatever becomes of the oracle: workers would wait for ever.

async function isPassword(
  oracle: Oracle,
  file: string,
  name: string,
  password: string,
): Promise<boolean> {
  try {
    return await oracle.isPassword(file, name, password);
  } catch {
    return false;
  }
}

interface PackedAnswer {
  readonly error: NameAnswer['error'];
  readonly ttlMs: number;
  readonly addresses: Uint8Array;
}

async function addressesOf(oracle: Oracle, host: string): Promise<PackedAnswer> {
  try {
    const { error, ttlMs, addresses } = await oracle.addressesOf(host);
    const ttl = Math.min(Math.max(0, Math.floor(ttlMs)), MAX_TTL_MS);
    return { error, ttlMs: ttl, addresses: packed(addresses) };
  } catch {
    return { error: 'name_timeout', ttlMs: 0, addresses: new Uint8Array(0) };
  }
}

function packed(addresses: NameAnswer['addresses']): Uint8Array {
  const bytes = new Uint8Array(addresses.length * ADDRESS_BYTES);
  addresses.forEach(({ family, host }, i) => {
    bytes[i * ADDRESS_BYTES] = ADDRESS_FAMILIES.indexOf(family);
    bytes.set(addressBytes(family, host), i * ADDRESS_BYTES + 1);
  });
  return bytes;
}
