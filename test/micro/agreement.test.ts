// The micro-benches measure nothing that their contestants do not agree on.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Crossing, loadCrossing } from '../../bench/micro/crossing.ts';
import { forwardingCases } from '../../bench/micro/forwarding.ts';
import { listingCases } from '../../bench/micro/listing.ts';
import { createJsParser, createLlhttp } from '../../bench/micro/parsers.ts';
import { agreeOnHead, parsingCases } from '../../bench/micro/parsing.ts';
import { pickingCases } from '../../bench/micro/picking.ts';
import {
  CONTESTANTS,
  jsContestant,
  type MicroResult,
  measureCase,
  type Tools,
} from '../../bench/micro/rounds.ts';
import { routingCases } from '../../bench/micro/routing.ts';
import { BROWSER, HUNDRED, SHAPES, TINY } from '../../bench/micro/shapes.ts';
import { formatResults } from '../../bench/micro/table.ts';
import { makeMicro, NativeLoops } from '../../src/bench/native-loops.ts';

let loops: NativeLoops;
let crossing: Crossing;
let tools: Tools;

before(async () => {
  await makeMicro();
  crossing = await loadCrossing();
  loops = new NativeLoops();
  tools = { loops, crossing };
});

after(() => loops?.close());

for (const shape of SHAPES) {
  test(`all parsers read the same in a head of the shape: ${shape.name}`, async () => {
    const { method, target, fields } = await agreeOnHead(tools, shape);
    const [line, ...lines] = shape.head.toString('latin1').trimEnd().split('\r\n');
    assert.equal(`${method} ${target} HTTP/1.1`, line);
    assert.equal(fields.length / 2, lines.length);
    assert.deepEqual(
      lines,
      lines.map((_, i) => `${fields[2 * i]}: ${fields[2 * i + 1]}`),
    );
  });
}

test('shapes are what they are called', () => {
  assert.ok(TINY.head.length < 150);
  assert.ok(BROWSER.head.length > 900 && BROWSER.head.length < 1100, String(BROWSER.head.length));
  assert.equal(createLlhttp().parse(HUNDRED.head).fields.length, 200);
});

test('a parser that reads something else stops the bench', async () => {
  const lying: Crossing = { ...crossing, parse: (head) => crossing.parse(head) + 1 };
  await assert.rejects(agreeOnHead({ loops: null, crossing: lying }, TINY), /tiny API call: N-API/);
});

test('no parser takes half a head, or one that is none', async () => {
  const [{ prepare }] = parsingCases(tools) as [ReturnType<typeof parsingCases>[number]];
  await prepare();
  for (const head of [
    TINY.head.subarray(0, 50),
    Buffer.from('GET / HTTP/1.1\r\nHost : a\r\n\r\n'),
  ]) {
    assert.throws(() => createLlhttp().parse(head), /llhttp/);
    assert.equal(crossing.parse(head), -1);
    assert.deepEqual(crossing.parseToStrings(head), []);
    assert.notEqual(crossing.takeHead(head), '');
    await assert.rejects(loops.takeHead(head), /not one whole request head/);
  }
  assert.throws(() => createJsParser().parse(TINY.head.subarray(0, 50)), /http-parser-js/);
});

test('parsers go on with the next request, as on a connection', () => {
  for (const parser of [createLlhttp(), createJsParser()]) {
    for (const { head } of [...SHAPES, ...SHAPES]) {
      const { fields } = parser.parse(head);
      assert.equal(fields.length / 2, head.toString('latin1').split('\r\n').length - 3);
    }
  }
});

for (const [group, casesOf] of Object.entries({
  parsing: parsingCases,
  routing: routingCases,
  picking: pickingCases,
  'header edits': forwardingCases,
})) {
  test(`${group}: contestants agree, and each has a figure for each round`, async () => {
    for (const one of casesOf(tools)) {
      assert.equal(one.group, group);
      const { contestants } = await measureCase(one, { rounds: 2, milliseconds: 1 });
      const ids = contestants.map(({ id }) => id);
      const others = group === 'parsing' ? ['strings', 'llhttp', 'http-parser-js'] : ['js'];
      assert.deepEqual(ids, ['loop', 'crossing', ...others], one.name);
      for (const { id, ns } of contestants) {
        assert.equal(ns.length, 2, `${one.name}: ${id}`);
        assert.ok(
          ns.every((value) => value > 0 && Number.isFinite(value)),
          `${one.name}: ${id}`,
        );
      }
    }
  });
}

test('without a compiler JavaScript is measured alone', async () => {
  for (const casesOf of [parsingCases, routingCases, pickingCases, forwardingCases]) {
    const [first] = casesOf({ loops: null, crossing: null });
    assert.ok(first);
    const ids = (await first.prepare()).map(({ id }) => id);
    assert.ok(ids.length > 0 && ids.every((id) => !['loop', 'crossing', 'strings'].includes(id)));
  }
});

test('rounds go forwards and backwards in turn', async () => {
  const order: string[] = [];
  const contestant = (id: 'js' | 'llhttp') => ({
    id,
    measure: async () => order.push(id),
  });
  await measureCase(
    {
      group: 'g',
      name: 'n',
      bytes: null,
      prepare: async () => [contestant('js'), contestant('llhttp')],
    },
    { rounds: 3, milliseconds: 1 },
  );
  assert.deepEqual(order, ['js', 'llhttp', 'llhttp', 'js', 'js', 'llhttp']);
});

test('both engines find the same hosts in a list of 20,000', async () => {
  for (const { name, prepare, remark } of listingCases(tools, 20_000)) {
    const contestants = await prepare();
    assert.deepEqual(
      contestants.map(({ id }) => id),
      ['loop', 'js'],
      name,
    );
    assert.match(remark?.() ?? '', /^20000 names, [23]\d\.\d bytes each, all included$/);
  }
});

test('work that fails fails its round', async () => {
  const broken = jsContestant('js', () => {
    throw new Error('broken work');
  });
  await assert.rejects(broken.measure(1), /broken work/);
});

test('the table sets a crossing apart: the call less the same work in a C++ loop', () => {
  const result: MicroResult = {
    group: 'parsing',
    name: 'some head',
    bytes: 1000,
    remark: 'of some length',
    contestants: [
      { id: 'loop', ns: [100, 100, 200, 100, 100] },
      { id: 'crossing', ns: [150, 150, 250, 150, 150] },
      { id: 'js', ns: [400, 400, 800, 400, 400] },
    ],
  };
  const rows = formatResults([result]).split('\n');
  const rowOf = (label: string): string => rows.find((row) => row.trim().startsWith(label)) ?? '';
  assert.match(rowOf(CONTESTANTS.loop), / 100 +100 – 200 +10.000$/);
  assert.match(rowOf(CONTESTANTS.crossing), /× 1\.50 +50\.0 \(50\.0 – 50\.0\)$/);
  assert.match(rowOf(CONTESTANTS.js), /× 4\.00$/);
  assert.match(rows.join('\n'), /some head, 1000 B \(of some length\)/);
  assert.doesNotMatch(rows.join('\n'), /rounds/);
  const few = { ...result, contestants: [{ id: 'js' as const, ns: [1, 1] }] };
  assert.match(formatResults([few]), /Of 2 rounds: .* no speed\.$/);
});

test('wrong questions are refused in words', async () => {
  assert.throws(() => crossing.takePlan(new Float64Array(1) as unknown as Uint8Array), TypeError);
  assert.throws(() => crossing.pick(99, 0), TypeError);
  assert.throws(() => crossing.route(0, 'a', undefined as unknown as string), TypeError);
  assert.notEqual(crossing.takePlan(Uint8Array.of(1, 2, 3)), '');
  await assert.rejects(loops.pick(99, 1), /pick POOL MICROSECONDS/);
  await assert.rejects(loops.route(9, 'a', '/', 1), /route LISTENER HOST PATH/);
  const fresh = new NativeLoops();
  try {
    await assert.rejects(fresh.parse(1), /no plan yet/);
  } finally {
    await fresh.close();
  }
  await assert.rejects(fresh.parse(1), /micro ended/);
});
