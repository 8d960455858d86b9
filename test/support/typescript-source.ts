// What the architecture test wants to know of a TypeScript or JavaScript file, read from its syntax tree, so that
// words in strings and comments count for nothing.
import { posix } from 'node:path';
import ts from 'typescript';

export interface SourceFile {
  /** From the root of the repository, with slashes. */
  readonly file: string;
  readonly text: string;
}

/** Something found in a file. */
export interface Place {
  readonly line: number;
  readonly found: string;
}

export interface Import {
  readonly file: string;
  readonly line: number;
  /** As written. */
  readonly specifier: string;
  /** The file of the repository that is meant; null for packages and what the platform brings. */
  readonly target: string | null;
}

export interface TypeScriptFacts {
  readonly imports: readonly Import[];
  /** Names of the classes, interfaces and type aliases declared. */
  readonly types: readonly Place[];
  /** `export default`, `export =`, `export *`. */
  readonly namelessExports: readonly Place[];
  /** `export … from`, and exported names that were imported. */
  readonly passedOn: readonly Place[];
  readonly enumsAndNamespaces: readonly Place[];
  /** What a native addon can be loaded with: createRequire, process.dlopen, `*.node`. */
  readonly loads: readonly Place[];
}

const read = new WeakMap<SourceFile, TypeScriptFacts>();

export function readTypeScript(source: SourceFile): TypeScriptFacts {
  const known = read.get(source);
  if (known) return known;
  const facts = parse(source);
  read.set(source, facts);
  return facts;
}

function parse({ file, text }: SourceFile): TypeScriptFacts {
  const tree = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const at = (node: ts.Node, found: string): Place => ({
    line: tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1,
    found,
  });
  const imports: Import[] = [];
  const types: Place[] = [];
  const namelessExports: Place[] = [];
  const passedOn: Place[] = [];
  const enumsAndNamespaces: Place[] = [];
  const loads: Place[] = [];
  const imported = new Set<string>();

  const noteImport = (node: ts.Node, specifier: ts.Node | undefined): void => {
    if (!specifier || !ts.isStringLiteralLike(specifier)) return;
    const isOurs = specifier.text.startsWith('.');
    const target = isOurs ? posix.join(posix.dirname(file), specifier.text) : null;
    imports.push({ file, line: at(node, '').line, specifier: specifier.text, target });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      noteImport(node, node.moduleSpecifier);
      for (const name of namesBoundBy(node)) imported.add(name);
    } else if (ts.isExportDeclaration(node)) {
      noteImport(node, node.moduleSpecifier);
      for (const place of passedOnBy(node, imported)) passedOn.push(at(node, place));
      for (const place of namelessIn(node)) namelessExports.push(at(node, place));
    } else if (ts.isExportAssignment(node)) {
      namelessExports.push(at(node, node.isExportEquals ? 'export =' : 'export default'));
    } else if (ts.isImportTypeNode(node)) {
      if (ts.isLiteralTypeNode(node.argument)) noteImport(node, node.argument.literal);
    } else if (ts.isCallExpression(node)) {
      if (isImportCall(node)) noteImport(node, node.arguments[0]);
    } else if (ts.isEnumDeclaration(node) || ts.isModuleDeclaration(node)) {
      const kind = ts.isEnumDeclaration(node) ? 'enum' : 'namespace';
      enumsAndNamespaces.push(at(node, `${kind} ${node.name.text}`));
    } else if (isTypeDeclaration(node) && node.name) {
      types.push(at(node, node.name.text));
    } else if (ts.isIdentifier(node) && ['createRequire', 'dlopen'].includes(node.text)) {
      loads.push(at(node, node.text));
    } else if (ts.isStringLiteralLike(node) && node.text.endsWith('.node')) {
      loads.push(at(node, node.text));
    }
    if (isDefaultExport(node)) namelessExports.push(at(node, 'export default'));
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return { imports, types, namelessExports, passedOn, enumsAndNamespaces, loads };
}

/** The members of each interface of a declaration file. */
export function interfaceMembers({ file, text }: SourceFile): ReadonlyMap<string, string[]> {
  const tree = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const interfaces = tree.statements.filter(ts.isInterfaceDeclaration);
  return new Map(
    interfaces.map(({ name, members }) => [
      name.text,
      members.map((member) => member.name?.getText(tree) ?? '').sort(),
    ]),
  );
}

function namesBoundBy({ importClause }: ts.ImportDeclaration): string[] {
  const named = importClause?.namedBindings;
  const names = named && ts.isNamedImports(named) ? named.elements.map(({ name }) => name) : [];
  const whole = named && ts.isNamespaceImport(named) ? [named.name] : [];
  return [importClause?.name, ...names, ...whole].flatMap((name) => name?.text ?? []);
}

function passedOnBy(node: ts.ExportDeclaration, imported: ReadonlySet<string>): string[] {
  if (node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)) {
    return [`export … from '${node.moduleSpecifier.text}'`];
  }
  if (!node.exportClause || !ts.isNamedExports(node.exportClause)) return [];
  return node.exportClause.elements
    .map(({ name, propertyName }) => (propertyName ?? name).text)
    .filter((name) => imported.has(name))
    .map((name) => `export { ${name} }`);
}

function namelessIn({ exportClause }: ts.ExportDeclaration): string[] {
  if (!exportClause) return ['export *'];
  if (!ts.isNamedExports(exportClause)) return [];
  return exportClause.elements.some(({ name }) => name.text === 'default')
    ? ['export default']
    : [];
}

function isDefaultExport(node: ts.Node): boolean {
  if (!ts.canHaveModifiers(node)) return false;
  const modifiers = ts.getModifiers(node) ?? [];
  return modifiers.some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword);
}

function isImportCall({ expression }: ts.CallExpression): boolean {
  const isRequire = ts.isIdentifier(expression) && expression.text === 'require';
  return isRequire || expression.kind === ts.SyntaxKind.ImportKeyword;
}

function isTypeDeclaration(
  node: ts.Node,
): node is ts.ClassLikeDeclaration | ts.InterfaceDeclaration | ts.TypeAliasDeclaration {
  return ts.isClassLike(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node);
}
