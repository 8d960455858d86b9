// What explanations have in common: their lines, the pool that work goes to, the edits of its headers.
import { formatAddress } from '../contract/address.ts';
import type { HeaderEdit, Plan, PlanPool, PlanTarget } from '../plan/plan.ts';
import { explainPick } from './explain-pick.ts';

export function explainPool(
  plan: Plan,
  pool: PlanPool | undefined,
  client: string,
): { readonly lines: string[]; readonly target: PlanTarget | null } {
  if (!pool) return { lines: [], target: null };
  const { target, why } = explainPick(plan, pool, client);
  const { count } = pool.targets;
  const lines = [
    line('pool', `${pool.name} (${pool.strategy}, ${count} target${count === 1 ? '' : 's'})`),
  ];
  if (!target) return { lines: [...lines, line('pick', 'none: no target')], target };
  const address = formatAddress(target.address);
  const name = target.name === address ? address : `${target.name} at ${address}`;
  const picked = [...lines, line('pick', `${name}: ${why}`)];
  return { lines: [...picked, ...explainUpstreamTls(plan, target)], target };
}

function explainUpstreamTls(plan: Plan, target: PlanTarget): string[] {
  const tls = target.clientTls === null ? undefined : plan.clientTls[target.clientTls];
  if (tls === undefined) return [];
  const told = [
    tls.verify
      ? `it must show a certificate for ${target.serverName}`
      : 'its name is not looked at',
    ...(tls.fingerprints.length > 0 ? ['it must have a known fingerprint'] : []),
    ...(tls.certificate === null ? [] : [`it is shown ${tls.certificate.name}`]),
  ];
  return [line('', `over TLS: ${told.join('; ')}`)];
}

export function editLines(what: string, edits: readonly HeaderEdit[]): string[] {
  return edits.map(({ op, name, value }) =>
    line('', op === 'remove' ? `${what}: remove ${name}` : `${what}: ${op} ${name}: ${value}`),
  );
}

export function line(label: string, text: string): string {
  return `${label.padEnd(10)}${text}`;
}
