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
      void oracle
        .isPassword(subject, name, password)
        .then((isRight) => native.answerPassword(question, isRight));
      return;
    }
    void oracle.addressesOf(subject).then(({ error, ttlMs, addresses }) => {
      const ttl = Math.min(Math.max(0, Math.floor(ttlMs)), MAX_TTL_MS);
      native.answerName(question, errorCodeNumber(error), ttl, packed(addresses));
    });
  });
}

function packed(addresses: NameAnswer['addresses']): Uint8Array {
  const bytes = new Uint8Array(addresses.length * ADDRESS_BYTES);
  addresses.forEach(({ family, host }, i) => {
    bytes[i * ADDRESS_BYTES] = ADDRESS_FAMILIES.indexOf(family);
    bytes.set(addressBytes(family, host), i * ADDRESS_BYTES + 1);
  });
  return bytes;
}
