// The `sluice` command: reads the command line and hands over to one file a command.
import { readFileSync } from 'node:fs';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { configJsonSchema } from '../config/schema.ts';
import { ENGINE_NAMES } from '../engine/engine.ts';
import { bench } from './bench.ts';
import { certSelfSigned } from './cert.ts';
import { check } from './check.ts';
import { demo, listExamples } from './demo.ts';
import { type ExplainFlags, explain } from './explain.ts';
import { EXPORT_PROGRAMS, exportTo } from './export.ts';
import { reportFailure } from './failure.ts';
import { type PasswdFlags, passwd } from './passwd.ts';
import { run } from './run.ts';

const { version } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { readonly version: string };

const program = new Command('sluice')
  .description('Proxy, reverse proxy and load balancer for TCP, UDP and HTTP.')
  .version(version)
  .showHelpAfterError('(sluice --help tells more)')
  .enablePositionalOptions();

const engineOption = new Option('--engine <engine>', 'wins over the one in FILE').choices([
  'auto',
  ...ENGINE_NAMES,
]);

program
  .command('run')
  .description('run the proxy; SIGINT or SIGTERM drains, SIGHUP reloads, SIGUSR1 prints statistics')
  .argument('<file>', 'configuration: .yaml, .json, .ts or .js')
  .addOption(engineOption)
  .option('--workers <n>', 'threads of the native engine, wins over FILE', parseWorkers)
  .action(run);

program
  .command('check')
  .description('tell everything that is wrong with a configuration and the files that it names')
  .argument('<file>')
  .action(check);

program
  .command('cert')
  .description('certificates for development')
  .command('self-signed')
  .description('write NAME.pem and NAME.key, which vouch for themselves')
  .argument('<name...>', 'host names and IP addresses, such as localhost 127.0.0.1')
  .option('--days <n>', 'how long it is valid', parseDays, 90)
  .option('--out <folder>', 'where to write', '.')
  .addOption(new Option('--key <type>', 'type of the key').choices(['ec', 'rsa']).default('ec'))
  .option('--force', 'overwrite files that exist')
  .action(certSelfSigned);

program
  .command('passwd')
  .description('set the password of a user of forward proxies')
  .argument('<file>', 'file of users; it is created when it does not exist')
  .argument('<name>', 'whose password')
  .option('--stdin', 'read the password from standard input')
  .option('--delete', 'delete the user')
  .action((file: string, name: string, flags: PasswdFlags) => passwd(file, name, flags));

program
  .command('explain')
  .description('tell where a request would go and why, without sending it')
  .argument('<file>')
  .argument('[method]', 'in place of --request: GET, CONNECT, SOCKS, …')
  .argument('[target]', 'and what of: http://example.com/path, example.com:443, …')
  .option(
    '--request <request>',
    "such as 'GET https://example.com:8443/path', tls://example.com:5433, or 'CONNECT example.com:443'",
  )
  .option('--header <header>', "such as 'Host: example.com'; may be repeated", collect, [])
  .option('--client <ip>', "the client's address", '127.0.0.1')
  .option('--listener <name>', 'where it comes to, if there is a choice')
  .option('--user <name>', 'who is logged in to a forward proxy')
  .option('--at <time>', "when, such as 'mon 08:00'; without: now")
  .option('--address <ip>', 'what its host resolves to; may be repeated', collect, [])
  .action(
    (
      file: string,
      method: string | undefined,
      target: string | undefined,
      flags: Omit<ExplainFlags, 'request'> & { readonly request?: string },
    ) => {
      const written = [method, target].filter((word) => word !== undefined).join(' ');
      return explain(file, { ...flags, request: flags.request ?? written });
    },
  );

program
  .command('export')
  .description('print the same configuration for nginx or HAProxy; see docs/export.md')
  .addArgument(new Argument('<program>').choices(EXPORT_PROGRAMS))
  .argument('<file>', 'configuration: .yaml, .json, .ts or .js')
  .option('--workers <n>', 'processes or threads, wins over FILE', parseWorkers)
  .option('--connections <n>', 'connections to expect', parseConnections, 16_384)
  .option('--folder <path>', 'stand by itself: in the foreground, with temporary files there')
  .option('--user <name>', 'whom its workers run as')
  .option('--stream-module <path>', "nginx's stream module, or none where it is built in")
  .action(exportTo);

program
  .command('schema')
  .description('print the JSON Schema of the configuration')
  .action(() => console.log(JSON.stringify(configJsonSchema(), null, 2)));

program
  .command('demo')
  .description('run an example against demonstration targets in this process')
  .option('--example [name]', 'a folder of examples/; without a name they are listed', 'quickstart')
  .action(({ example }: { readonly example: string | true }) =>
    example === true ? console.log(listExamples().join('\n')) : demo(example),
  );

program
  .command('bench')
  .description('measure layers, engines and rivals (sluice bench --help tells more)')
  .argument('[arguments...]')
  .allowUnknownOption()
  .helpOption(false)
  .passThroughOptions()
  .action((parameters: readonly string[]) => bench(parameters));

try {
  await program.parseAsync();
} catch (error) {
  reportFailure(error);
}

function parseWorkers(text: string): 'auto' | number {
  if (text === 'auto') return text;
  const workers = Number(text);
  if (Number.isInteger(workers) && workers >= 1 && workers <= 256) return workers;
  throw new InvalidArgumentError('expected auto or a whole number from 1 to 256.');
}

function parseConnections(text: string): number {
  const connections = Number(text);
  if (Number.isInteger(connections) && connections >= 1 && connections <= 10_000_000)
    return connections;
  throw new InvalidArgumentError('expected a whole number from 1 to 10,000,000.');
}

function parseDays(text: string): number {
  const days = Number(text);
  if (Number.isInteger(days) && days >= 1 && days <= 3650) return days;
  throw new InvalidArgumentError('expected a whole number from 1 to 3,650.');
}

function collect(value: string, earlier: readonly string[]): readonly string[] {
  return [...earlier, value];
}
