/** A plan as text and as JSON. */
import { Op, type Arg, type Program, type StepInfo, DataRef, Deferred, ResultRef, describeStep, SELF_PID, SELF_TID } from '../program/program.ts';
import { syscallName } from '../kernel/syscalls.ts';
import type { RestorePlan } from './plan.ts';

const OP_NAMES = new Map<number, string>(Object.entries(Op).map(([name, op]) => [op, name.toLowerCase()]));

/** Task by task, one line a step, grouped by what the steps are about. */
export function renderPlan(plan: RestorePlan): string {
  const lines: string[] = [];
  for (const warning of plan.warnings) lines.push(`warning: ${warning}`);
  renderProgram(plan.context.local.program, lines);
  for (const { program, takeover } of plan.blocks) {
    renderProgram(program, lines);
    if (takeover === undefined) continue;
    lines.push('  taken over');
    for (const { name, args, resource } of takeover.calls) lines.push(`    ${name}(${args.map((arg) => (arg instanceof Deferred ? `<${arg.label}>` : String(arg))).join(', ')})  ${resource}`);
    const ip = takeover.registers.readBigUInt64LE(16 * 8);
    lines.push(`    registers (ip 0x${ip.toString(16)}), extended state, signal mask 0x${takeover.sigmask.toString(16)}`);
    if (takeover.stopSignal !== 0) lines.push(`    left stopped by signal ${takeover.stopSignal}`);
  }
  if (plan.context.late.steps.length > 0) renderProgram(plan.context.late, lines);
  return `${lines.join('\n')}\n`;
}

function renderProgram(program: Program, lines: string[]): void {
  lines.push(`${program.subject}: ${program.steps.length} steps`);
  let resource: string | undefined;
  program.steps.forEach((step, index) => {
    if (step.resource !== resource) lines.push(`  ${step.resource}`);
    resource = step.resource;
    const expect = typeof step.expect === 'object' && 'equals' in step.expect ? ` = ${hex(BigInt(step.expect.equals))}` : '';
    lines.push(`    ${index}: ${describeStep(program, step)}${expect}${step.result === 0xffffffff ? '' : ` -> result ${step.result}`}`);
  });
}

const hex = (n: bigint): string => (n > 4096n ? `0x${n.toString(16)}` : String(n));

export interface PlanJSON {
  readonly root: number;
  readonly warnings: readonly string[];
  readonly programs: readonly {
    readonly subject: string;
    readonly pid?: number;
    readonly tid?: number;
    readonly steps: readonly { readonly resource: string; readonly op: string; readonly args: readonly (string | number)[]; readonly result?: number }[];
    readonly calls?: readonly { readonly call: string; readonly args: readonly (string | number)[]; readonly resource: string }[];
  }[];
}

/** The same as data. Numbers beyond 2^53 and addresses are hexadecimal strings. */
export function planToJSON(plan: RestorePlan): PlanJSON {
  return {
    root: plan.rootPid,
    warnings: plan.warnings,
    programs: [
      { subject: plan.context.local.program.subject, steps: stepsToJSON(plan.context.local.program) },
      ...plan.blocks.map(({ program, pid, tid, takeover }) => ({
        subject: program.subject, pid, tid, steps: stepsToJSON(program),
        ...(takeover === undefined ? {} : { calls: takeover.calls.map(({ name, args, resource }) => ({ call: name, args: args.map((arg) => argToJSON(program, arg)), resource })) }),
      })),
      ...(plan.context.late.steps.length === 0 ? [] : [{ subject: plan.context.late.subject, steps: stepsToJSON(plan.context.late) }]),
    ],
  };
}

function stepsToJSON(program: Program): PlanJSON['programs'][number]['steps'] {
  return program.steps.map((step: StepInfo) => ({
    resource: step.resource,
    op: step.op === Op.SYSCALL ? syscallName(step.nr) : OP_NAMES.get(step.op) ?? String(step.op),
    args: step.args.map((arg) => argToJSON(program, arg)),
    ...(step.result === 0xffffffff ? {} : { result: step.result }),
  }));
}

function argToJSON(program: Program, arg: Arg): string | number {
  if (typeof arg === 'number') return arg;
  if (typeof arg === 'bigint') return hex(arg);
  if (arg === SELF_PID) return 'getpid()';
  if (arg === SELF_TID) return 'gettid()';
  if (arg instanceof DataRef) return program.textAt(arg) ?? `data+${arg.offset}`;
  if (arg instanceof ResultRef) return `result ${arg.index}`;
  if (arg instanceof Deferred) return `<${arg.label}>`;
  return '?';
}
