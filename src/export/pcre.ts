// A pathRegex as PCRE, which nginx and HAProxy run. The two syntaxes differ in corners (`$`, `[^]`, `[[:x:]]`, names of
// groups), so the expression is read and written anew rather than copied.
import { type AST, RegExpParser } from '@eslint-community/regexpp';
import { assertNever } from '../contract/ids.ts';

/** The end of the text: PCRE's `$` also matches before a newline that ends it. */
const END = '\\z';
const NEVER = '(?!)';
const ANY_BYTE = '[\\x00-\\xff]';

/** The source must have passed the configuration's check. */
export function toPcre(source: string): string {
  const pattern = new RegExpParser({ strict: true, ecmaVersion: 2025 }).parsePattern(source);
  return alternatives(pattern.alternatives);
}

/** Text that matches itself and nothing else; one character a byte. */
export function pcreLiteral(text: string): string {
  return [...text].map((character) => byte(character.charCodeAt(0))).join('');
}

function alternatives(list: readonly AST.Alternative[]): string {
  return list.map(({ elements }) => elements.map(element).join('')).join('|');
}

function element(node: AST.Element): string {
  switch (node.type) {
    case 'Character':
      return node.value < 256 ? byte(node.value) : NEVER;
    case 'CharacterSet':
      return set(node);
    case 'CharacterClass':
      return characterClass(node);
    // Names and numbers of groups are nothing to us, and names would become variables of nginx.
    case 'Group':
    case 'CapturingGroup':
      return `(?:${alternatives(node.alternatives)})`;
    case 'Quantifier':
      return `${element(node.element)}${quantity(node)}${node.greedy ? '' : '?'}`;
    case 'Assertion':
      if (node.kind === 'start') return '^';
      if (node.kind === 'end') return END;
      return refuse(node.raw);
    case 'Backreference':
    case 'ExpressionCharacterClass':
      return refuse(node.raw);
    default:
      return assertNever(node);
  }
}

function quantity({ min, max }: AST.Quantifier): string {
  if (max === Number.POSITIVE_INFINITY) return min === 0 ? '*' : min === 1 ? '+' : `{${min},}`;
  if (min === 0 && max === 1) return '?';
  return min === max ? `{${min}}` : `{${min},${max}}`;
}

function characterClass({ elements, negate }: AST.CharacterClass): string {
  const inside = elements.map(classElement).join('');
  if (inside === '') return negate ? ANY_BYTE : NEVER;
  return `[${negate ? '^' : ''}${inside}]`;
}

function classElement(node: AST.CharacterClassElement): string {
  switch (node.type) {
    case 'Character':
      return node.value < 256 ? byte(node.value) : '';
    case 'CharacterClassRange': {
      const { min, max } = node;
      return min.value < 256 ? `${byte(min.value)}-${byte(Math.min(max.value, 255))}` : '';
    }
    case 'CharacterSet':
      return set(node);
    default:
      return refuse(node.raw);
  }
}

function set(node: AST.CharacterSet): string {
  switch (node.kind) {
    case 'any':
      return '[^\\n\\r]';
    case 'digit':
      return node.negate ? '\\D' : '\\d';
    case 'space':
      return node.negate ? '\\S' : '\\s';
    case 'word':
      return node.negate ? '\\W' : '\\w';
    case 'property':
      return refuse(node.raw);
    default:
      return assertNever(node);
  }
}

function byte(code: number): string {
  const character = String.fromCharCode(code);
  if (/[A-Za-z0-9/_]/.test(character)) return character;
  if (/[\x21-\x7e]/.test(character)) return `\\${character}`;
  return `\\x${code.toString(16).padStart(2, '0')}`;
}

function refuse(raw: string): never {
  throw new TypeError(`a checked configuration has no ${raw} in an expression`);
}
