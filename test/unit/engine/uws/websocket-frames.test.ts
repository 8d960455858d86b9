import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameReader, maskedFrame, OPCODES } from '../../../../src/engine/uws/websocket-frames.ts';

interface Told {
  readonly pieces: { text: string; isBinary: boolean; isFirst: boolean; isLast: boolean }[];
  readonly controls: { opcode: number; text: string }[];
}

function reader(): Told & { take(bytes: Buffer): boolean } {
  const told: Told = { pieces: [], controls: [] };
  const frames = new FrameReader({
    onData: (piece, isBinary, isFirst, isLast) => {
      told.pieces.push({ text: piece.toString('latin1'), isBinary, isFirst, isLast });
    },
    onControl: (opcode, payload) => {
      told.controls.push({ opcode, text: payload.toString('latin1') });
    },
  });
  return { ...told, take: (bytes) => frames.take(bytes) };
}

/** A frame as a server sends it. */
function plainFrame(first: number, payload: string): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = first;
  head[1] = length < 126 ? length : length < 65_536 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, Buffer.from(payload, 'latin1')]);
}

const FINAL = 0x80;

for (const length of [0, 125, 126, 65_535, 65_536, 200_000]) {
  test(`a message of ${length} bytes comes out whole, however it is cut`, () => {
    const payload = 'xyz'.repeat(length).slice(0, length);
    const bytes = plainFrame(FINAL | OPCODES.binary, payload);
    for (const cut of [1, 2, 3, 9, Math.floor(bytes.length / 2), bytes.length]) {
      const { take, pieces } = reader();
      assert.ok(take(bytes.subarray(0, cut)) && take(bytes.subarray(cut)));
      assert.equal(pieces.map((piece) => piece.text).join('') === payload, true);
      assert.deepEqual(
        pieces.map((piece) => [piece.isFirst, piece.isLast]),
        pieces.map((_, i) => [i === 0, i === pieces.length - 1]),
      );
      assert.ok(pieces.every((piece) => piece.isBinary));
    }
  });
}

test('fragments are one message, with control frames between them', () => {
  const { take, pieces, controls } = reader();
  const frames = [
    plainFrame(OPCODES.text, 'Hel'),
    plainFrame(FINAL | OPCODES.ping, 'there?'),
    plainFrame(OPCODES.continuation, ''),
    plainFrame(FINAL | OPCODES.continuation, 'lo'),
  ];
  assert.ok(take(Buffer.concat(frames)));
  assert.deepEqual(pieces, [
    { text: 'Hel', isBinary: false, isFirst: true, isLast: false },
    { text: 'lo', isBinary: false, isFirst: false, isLast: true },
  ]);
  assert.deepEqual(controls, [{ opcode: OPCODES.ping, text: 'there?' }]);
});

for (const [what, bytes] of [
  ['a reserved bit', plainFrame(0xc0 | OPCODES.text, 'x')],
  ['a mask', maskedFrame(OPCODES.text, Buffer.from('x'))],
  ['an opcode that nobody knows', plainFrame(FINAL | 3, 'x')],
  ['a control frame in parts', plainFrame(OPCODES.ping, 'x')],
  ['a control frame that is too long', plainFrame(FINAL | OPCODES.ping, 'x'.repeat(126))],
  ['a continuation of nothing', plainFrame(FINAL | OPCODES.continuation, 'x')],
] as const) {
  test(`${what} breaks the protocol`, () => {
    const { take, pieces, controls } = reader();
    assert.equal(take(bytes), false);
    assert.deepEqual([pieces, controls], [[], []]);
  });
}

test('a message in the middle of another breaks the protocol', () => {
  const { take } = reader();
  assert.equal(take(plainFrame(OPCODES.text, 'a')), true);
  assert.equal(take(plainFrame(FINAL | OPCODES.text, 'b')), false);
});

test('what is sent to a server is masked, with another mask each time', () => {
  for (const length of [0, 5, 126, 70_000]) {
    const payload = Buffer.alloc(length, 'payload');
    const frames = [maskedFrame(OPCODES.text, payload), maskedFrame(OPCODES.text, payload)];
    for (const frame of frames) {
      assert.equal(frame[0], FINAL | OPCODES.text);
      assert.equal((frame[1] ?? 0) & 0x80, 0x80);
      const at = frame.length - length;
      const mask = frame.subarray(at - 4, at);
      const unmasked = Buffer.from(frame.subarray(at)).map((byte, i) => byte ^ (mask[i & 3] ?? 0));
      assert.equal(Buffer.from(unmasked).equals(payload), true);
    }
    if (length > 0) assert.equal(frames[0]?.equals(frames[1] ?? Buffer.alloc(0)), false);
  }
});
