// YAML to a value, or to what is wrong with it, each with line and column.
import { type ErrorCode, Lexer, LineCounter, parseDocument, type YAMLError } from 'yaml';
import { type Problem, SluiceError } from '../contract/errors.ts';
import { configError } from './problems.ts';

/** Far beyond any configuration, far below what exhausts the stack of the YAML library. */
const MAX_DEPTH = 200;
/** A line that opens more block levels than that: `- - - …`, or one that is indented as deeply. */
const DEEP_LINE = new RegExp(`^(?:[ \\t]|[-?:](?=[ \\t])){${2 * MAX_DEPTH}}`, 'm');

/** `shown` names the file in the error, SluiceError `config_invalid`. */
export function readYaml(text: string, shown: string): unknown {
  // Running out of stack inside the library can end the process: V8 may not survive it while it compiles a RegExp.
  if (isTooDeep(text)) throw unfollowable(shown, `nesting deeper than ${MAX_DEPTH} levels`);
  const lines = new LineCounter();
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true });
    const errors = [...document.errors, ...document.warnings];
    if (errors.length === 0) return document.toJS() as unknown;
    throw configError(
      shown,
      errors.map((error) => syntaxProblem(error, lines)),
    );
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    // Aliases that refer to nothing, or to so much that they could only be an attack.
    throw unfollowable(shown, error instanceof Error ? error.message : String(error));
  }
}

export function placeOf(index: number, lines: LineCounter): string {
  const { line, col } = lines.linePos(index);
  return `line ${line}, column ${col}`;
}

function unfollowable(shown: string, received: string): SluiceError {
  return configError(shown, [{ path: shown, expected: 'YAML that can be followed', received }]);
}

function isTooDeep(text: string): boolean {
  if (DEEP_LINE.test(text)) return true;
  let depth = 0;
  for (const lexeme of new Lexer().lex(text)) {
    if (lexeme === '[' || lexeme === '{') depth++;
    if (lexeme === ']' || lexeme === '}') depth--;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

const EXPECTED: Partial<Record<ErrorCode, string>> = {
  DUPLICATE_KEY: 'each key once',
  MULTIPLE_DOCS: 'one document',
  TAG_RESOLVE_FAILED: 'no tags but those of YAML itself',
  TAB_AS_INDENT: 'spaces for indentation',
};

function syntaxProblem(error: YAMLError, lines: LineCounter): Problem {
  return {
    path: placeOf(error.pos[0], lines),
    expected: EXPECTED[error.code] ?? 'YAML',
    received: error.message.replaceAll('\n', ' '),
  };
}
