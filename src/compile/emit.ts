/** Pass: writes trees as code, and the programs in their leaves. */
import { REF_EDGE } from '../abi/program.ts';
import type { Program } from './steps.ts';
import type { Branch, TreeNode } from './tree.ts';
import type { ProgramWriter } from './write.ts';

interface Unique {
  field: number;
  at: number | null;
  /** Indices of unique nodes, or ~offset of an edge. */
  children: number[];
  bits: (Uint32Array | null)[];
}

/** Writes a tree below its programs, equal subtrees once, parents at lower offsets than children; the reference of its root. */
export function emitTree(root: TreeNode, writer: ProgramWriter): number {
  const { code } = writer;
  const unique: Unique[] = [];
  const top = uniqueNodes(root, writer, unique);
  const offsets = new Array<number>(unique.length);
  for (let index = unique.length - 1; index >= 0; index--) {
    const node = unique[index]!;
    offsets[index] = code.reserve(node.at === null ? 66 + node.children.length : 4);
  }
  const reference = (child: number): number => (child < 0 ? ~child | REF_EDGE : offsets[child]!);
  for (const [index, node] of unique.entries()) {
    const children = node.children.map(reference);
    if (node.at !== null) code.binaryNode(offsets[index]!, node.field, node.at, children[0]!, children[1]!);
    else code.tableNode(offsets[index]!, node.field, classTable(node.bits), children);
  }
  return reference(top);
}

function uniqueNodes(root: TreeNode, writer: ProgramWriter, unique: Unique[]): number {
  const known = new Map<string, number>();
  const programs = new Map<Program, number>();
  const finished = new Map<TreeNode, number>();
  const stack: TreeNode[] = [root];
  while (stack.length > 0) {
    const node = stack[stack.length - 1]!;
    if (node.kind === 'leaf') {
      let offset = programs.get(node.program);
      if (offset === undefined) {
        offset = writer.program(node.program);
        programs.set(node.program, offset);
      }
      finished.set(node, ~offset);
      stack.pop();
      continue;
    }
    const waiting = node.children.filter(({ node: child }) => !finished.has(child));
    if (waiting.length > 0) {
      for (const { node: child } of waiting) stack.push(child);
      continue;
    }
    finished.set(node, uniqueBranch(node, finished, known, unique));
    stack.pop();
  }
  return finished.get(root)!;
}

function uniqueBranch(
  node: Branch,
  finished: ReadonlyMap<TreeNode, number>,
  known: Map<string, number>,
  unique: Unique[],
): number {
  const children = node.children.map(({ node: child }) => finished.get(child)!);
  if (children.every((child) => child === children[0])) return children[0]!;
  const bits = node.children.map((child) => child.bits);
  const key = `${node.field}:${node.at}:${children.join()}:${node.at === null ? bits.map((one) => one!.join('.')).join() : ''}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  // Classes that lead to the same place are one.
  if (node.at === null) mergeClasses(children, bits);
  unique.push({ field: node.field, at: node.at, children, bits });
  known.set(key, unique.length - 1);
  return unique.length - 1;
}

function mergeClasses(children: number[], bits: (Uint32Array | null)[]): void {
  for (let index = children.length - 1; index > 0; index--) {
    const first = children.indexOf(children[index]!);
    if (first === index) continue;
    bits[first] = bits[first]!.map((word, at) => word | bits[index]![at]!);
    children.splice(index, 1);
    bits.splice(index, 1);
  }
}

function classTable(bits: readonly (Uint32Array | null)[]): Uint8Array {
  const classes = new Uint8Array(256);
  for (const [index, set] of bits.entries()) {
    for (let value = 0; value < 256; value++) if (((set![value >>> 5]! >>> (value & 31)) & 1) === 1) classes[value] = index;
  }
  return classes;
}
