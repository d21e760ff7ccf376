/** Rows as a table or a tree, for terminals. Every cell goes through `safe`. */
import Table from 'cli-table3';
import { safe } from './safe.ts';

export interface Column<Row> {
  readonly title: string;
  readonly of: (row: Row) => string | number | bigint | undefined;
  readonly right?: boolean;
}

const BARE = {
  top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '',
  left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ',
};

/** Rows a call of the table library lays out at once: it keeps every cell several times over. */
const ROWS_AT_ONCE = 5000;

export function tableText<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const cells = rows.map((row) => columns.map((column) => safe(String(column.of(row) ?? ''))));
  const widths = columns.map((column, i) => cells.reduce((most, row) => Math.max(most, row[i]!.length), column.title.length));
  const parts: string[] = [];
  for (let at = 0; at === 0 || at < cells.length; at += ROWS_AT_ONCE) {
    const table = new Table({
      ...(at === 0 ? { head: columns.map((column) => column.title) } : {}),
      chars: BARE, style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
      colWidths: widths, colAligns: columns.map((column) => (column.right === true ? 'right' : 'left')), wordWrap: false,
    });
    table.push(...cells.slice(at, at + ROWS_AT_ONCE));
    parts.push(table.toString());
  }
  return parts.join('\n').split('\n').map((line) => line.trimEnd()).join('\n');
}

export interface TreeNode { readonly label: string; readonly children?: readonly TreeNode[] }

export function treeText(nodes: readonly TreeNode[], indent = ''): string {
  return nodes.map((node, i) => {
    const last = i === nodes.length - 1;
    const own = `${indent}${last ? '└─ ' : '├─ '}${safe(node.label)}`;
    return node.children === undefined || node.children.length === 0 ? own : `${own}\n${treeText(node.children, `${indent}${last ? '   ' : '│  '}`)}`;
  }).join('\n');
}

/** A tree with its roots at the left margin. */
export function forestText(nodes: readonly TreeNode[]): string {
  return nodes.map((node) => (node.children === undefined || node.children.length === 0 ? safe(node.label) : `${safe(node.label)}\n${treeText(node.children)}`)).join('\n');
}

/** Rows with depths (a parent right before its children) as nodes. */
export function nest<Row>(rows: readonly Row[], depth: (row: Row) => number, node: (row: Row, children: TreeNode[]) => TreeNode): TreeNode[] {
  // from the last row to the first, so that nothing recurses however deep the tree is
  const open = new Map<number, TreeNode[]>();
  for (let i = rows.length - 1; i >= 0; i--) {
    const row = rows[i]!;
    const children = open.get(depth(row) + 1) ?? [];
    open.delete(depth(row) + 1);
    const level = open.get(depth(row)) ?? [];
    level.unshift(node(row, children));
    open.set(depth(row), level);
  }
  return open.get(0) ?? [];
}

/** Rows by a key, in order of appearance. */
export function groups<Row>(rows: readonly Row[], key: (row: Row) => string): Map<string, Row[]> {
  const map = new Map<string, Row[]>();
  for (const row of rows) {
    const list = map.get(key(row));
    if (list === undefined) map.set(key(row), [row]);
    else list.push(row);
  }
  return map;
}
