// Parsing request heads: from bytes to a judged head in native code, or to strings.
import assert from 'node:assert/strict';
import { parseConfig } from '../../src/config/parse.ts';
import { compile } from '../../src/plan/compile.ts';
import { encodePlan } from '../../src/plan/encode.ts';
import { createJsParser, createLlhttp, type ParsedHead, type Parser } from './parsers.ts';
import {
  type Contestant,
  jsContestant,
  loopContestant,
  type MicroCase,
  type Tools,
} from './rounds.ts';
import { SHAPES, type Shape } from './shapes.ts';

/** For the limits that a listener has by default. */
const PLAN = compile(
  parseConfig({
    listeners: { web: { address: '127.0.0.1:8080', protocol: 'http', pool: 'any' } },
    pools: { any: { targets: ['10.0.0.1:3000'] } },
  }),
  new Map(),
  1,
);

export function parsingCases(tools: Tools): readonly MicroCase[] {
  return SHAPES.map((shape) => ({
    group: 'parsing',
    name: shape.name,
    bytes: shape.head.length,
    prepare: async () => {
      await agreeOnHead(tools, shape);
      return contestantsFor(tools, shape);
    },
  }));
}

/** Throws unless every parser reads the same method, target and fields. Leaves the head with the C++ loops. */
export async function agreeOnHead(tools: Tools, { name, head }: Shape): Promise<ParsedHead> {
  const reference = createLlhttp().parse(head);
  assert.deepEqual(createJsParser().parse(head), reference, `${name}: http-parser-js`);
  if (tools.loops !== null) {
    await tools.loops.takePlan(PLAN);
    assert.deepEqual(await tools.loops.takeHead(head), reference, `${name}: C++ loop`);
  }
  if (tools.crossing !== null) {
    assert.equal(tools.crossing.takePlan(encodePlan(PLAN)), '');
    const [method = '', target = '', ...fields] = tools.crossing.parseToStrings(head);
    assert.deepEqual({ method, target, fields }, reference, `${name}: N-API`);
    assert.equal(tools.crossing.parse(head), reference.fields.length / 2, `${name}: N-API`);
  }
  return reference;
}

function contestantsFor({ loops, crossing }: Tools, { head }: Shape): Contestant[] {
  const contestants: Contestant[] = [];
  if (loops !== null) contestants.push(loopContestant((milliseconds) => loops.parse(milliseconds)));
  if (crossing !== null) {
    contestants.push(
      jsContestant('crossing', () => crossing.parse(head)),
      jsContestant('strings', () => crossing.parseToStrings(head).length),
    );
  }
  return [
    ...contestants,
    parserContestant('llhttp', createLlhttp(), head),
    parserContestant('http-parser-js', createJsParser(), head),
  ];
}

function parserContestant(
  id: 'llhttp' | 'http-parser-js',
  parser: Parser,
  head: Buffer,
): Contestant {
  return jsContestant(id, () => parser.parse(head).fields.length);
}
