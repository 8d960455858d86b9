// The parsers that ours is measured beside, each parsing whole heads into strings: llhttp as Node runs it under
// node:http, and http-parser-js. Both are kept alive and fed one request after another, as a connection does.
import { HTTPParser as JsParser, methods as jsMethods } from 'http-parser-js';

export interface ParsedHead {
  readonly method: string;
  readonly target: string;
  /** name, value, name, value, … */
  readonly fields: readonly string[];
}

export interface Parser {
  /** The one request that `head` is. Throws when it is not one. */
  parse(head: Buffer): ParsedHead;
}

/** What node:http's parser calls, under numbers for names. */
interface NodeParser {
  initialize(type: number, resource: object): void;
  execute(bytes: Buffer): number | Error;
  [callback: number]: ((...values: never[]) => number | undefined) | undefined;
}

interface NodeParserClass {
  new (): NodeParser;
  readonly REQUEST: number;
  readonly kOnHeaders: number;
  readonly kOnHeadersComplete: number;
}

interface NodeBinding {
  readonly HTTPParser: NodeParserClass;
  readonly allMethods?: readonly string[];
  readonly methods: readonly string[];
}

/** llhttp, through the binding that node:http itself uses. Throws where Node keeps it to itself. */
export function createLlhttp(): Parser {
  const { HTTPParser, allMethods, methods } = nodeBinding();
  const names = allMethods ?? methods;
  const parser = new HTTPParser();
  parser.initialize(HTTPParser.REQUEST, {});
  let fields: string[] = [];
  let target = '';
  let method: string | undefined;
  // Heads with more than 32 fields come in pieces.
  parser[HTTPParser.kOnHeaders] = (some: string[], url: string) => {
    fields.push(...some);
    target += url;
    return undefined;
  };
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    _minor: number,
    all: string[] | undefined,
    methodIndex: number,
    url: string | undefined,
  ) => {
    if (all !== undefined) fields = all;
    if (url !== undefined) target = url;
    method = names[methodIndex];
    return 0;
  };
  return {
    parse(head) {
      fields = [];
      target = '';
      method = undefined;
      const consumed = parser.execute(head);
      if (consumed !== head.length || method === undefined) throw new Error('llhttp: no request');
      return { method, target, fields };
    },
  };
}

export function createJsParser(): Parser {
  const parser = new JsParser();
  let parsed: ParsedHead | null = null;
  parser.initialize('REQUEST');
  parser[JsParser.kOnHeadersComplete] = ({ method, url, headers }) => {
    parsed = { method: jsMethods[method] ?? '', target: url, fields: headers };
  };
  parser[JsParser.kOnMessageComplete] = () => {};
  return {
    parse(head) {
      parsed = null;
      const consumed = parser.execute(head);
      if (consumed !== head.length || parsed === null)
        throw new Error('http-parser-js: no request');
      return parsed;
    },
  };
}

/** Node discourages process.binding(), rightly; here its own parser is what is measured. */
function nodeBinding(): NodeBinding {
  const { binding } = process as unknown as { binding?: (name: string) => NodeBinding };
  if (binding === undefined) throw new Error('this Node does not give its parser away');
  const isSilent = process.noDeprecation;
  try {
    process.noDeprecation = true;
    return binding('http_parser');
  } finally {
    process.noDeprecation = isSilent ?? false;
  }
}
