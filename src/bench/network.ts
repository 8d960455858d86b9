// A network of the run's own. Loopback in a fresh network namespace has the kernel's default settings, whatever the
// host is tuned for: with a congestion control that paces, such as bbr, a bench over loopback measures its timers. So the
// command runs itself again in there, and this process only hands on signals and waits.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { findProgram } from './contestant.ts';
import { congestionControl } from './machine.ts';
import { FIRST_PORT, LAST_PORT } from './ports.ts';

export interface Network {
  readonly kind: 'own' | 'host';
  /** What the reader must know; null when there is nothing. */
  readonly note: string | null;
}

/** Set in the process that runs inside. */
const INSIDE = 'SLUICE_BENCH_NETWORK';
/** What Linux ships with. */
const DEFAULT_CONTROL = 'cubic';
/**
 * Outgoing connections get all ports but those from which ports.ts chooses: two proxies that each hold ten thousand
 * connections to the origin, and as many that have just ended, are more than the default has.
 */
const SETUP = `ip link set lo up || exit 1
{
  cd /proc/sys/net/ipv4
  echo ${DEFAULT_CONTROL} > tcp_congestion_control
  echo ${FIRST_PORT}-${LAST_PORT} > ip_local_reserved_ports
  echo 1024 65535 > ip_local_port_range
  cd "$OLDPWD"
} 2>/dev/null
exec "$0" "$@"`;
/** As root, or as a user who may make namespaces of users; the user stays who it is. */
const WAYS = [['--net'], ['--user', '--map-current-user', '--keep-caps', '--net']] as const;

/** Where this process is when it is to measure, or the exit code of the one that measured instead. */
export async function enterNetwork(
  wanted: 'own' | 'host',
  parameters: readonly string[],
): Promise<Network | number> {
  if (process.env[INSIDE] === 'own') return { kind: 'own', note: controlNote('own') };
  if (wanted === 'host') return { kind: 'host', note: controlNote('host') };
  const way = findWay();
  if (typeof way === 'string') {
    const control = controlNote('host');
    const note = `no network of its own: ${way}; the figures are over the host's network`;
    return { kind: 'host', note: control === null ? note : `${note}, and ${control}` };
  }
  return await runInside(way, parameters);
}

/** Calls back when the process outside is gone. Does not keep this one alive. */
export function onOutsideGone(stop: () => void): void {
  if (process.env[INSIDE] !== 'own' || !process.channel) return;
  process.once('disconnect', stop);
  process.channel.unref();
}

/** Arguments for unshare, or why there is no way. */
export function findWay(): readonly string[] | string {
  for (const [program, debian] of [
    ['unshare', 'util-linux'],
    ['ip', 'iproute2'],
  ] as const) {
    if (!findProgram(program)) return `${program} is not installed (apt-get install ${debian})`;
  }
  let reason = '';
  for (const way of WAYS) {
    const { status, stderr } = spawnSync(
      unshare(),
      [...way, '--', '/bin/sh', '-c', SETUP, 'true'],
      {
        encoding: 'utf8',
        env: environment(),
      },
    );
    if (status === 0) return way;
    reason ||= stderr.trim().split('\n')[0] ?? '';
  }
  return `not permitted${reason === '' ? '' : ` (${reason})`}`;
}

async function runInside(way: readonly string[], parameters: readonly string[]): Promise<number> {
  const [, script = ''] = process.argv;
  const command = [process.execPath, ...process.execArgv, script, 'bench', ...parameters];
  const inside = spawn(unshare(), [...way, '--', '/bin/sh', '-c', SETUP, ...command], {
    // The channel carries nothing: that it closes tells the process inside that this one is gone.
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...environment(), [INSIDE]: 'own' },
  });
  const handOn = (signal: NodeJS.Signals): void => void inside.kill(signal);
  process.on('SIGINT', handOn).on('SIGTERM', handOn).on('SIGHUP', handOn);
  const [code, signal] = (await once(inside, 'exit')) as [number | null, NodeJS.Signals | null];
  process.off('SIGINT', handOn).off('SIGTERM', handOn).off('SIGHUP', handOn);
  if (signal !== null) console.error(`bench: ended by ${signal}`);
  return code ?? 1;
}

function unshare(): string {
  return findProgram('unshare') ?? 'unshare';
}

/** ip(8) lies where only root's PATH leads. */
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` };
}

function controlNote(kind: Network['kind']): string | null {
  const control = congestionControl();
  if (control === DEFAULT_CONTROL) return null;
  const where = kind === 'own' ? "the run's own network" : "the host's network";
  return `TCP's congestion control in ${where} is ${control}: over loopback it may measure ${control} more than the proxies`;
}
