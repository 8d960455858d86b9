// A user of forward proxies. Account is what was used, found again by file and name when the next plan names the same
// user, so that a reload forgets nothing; LiveUser is what the limits of one plan leave of it. Main thread; accounts
// are owned by EntityTable (live-plan.ts), users by a LivePlan.
import type { ErrorCode } from '../../contract/codes.ts';
import type { PlanUser } from '../../plan/plan.ts';
import type { UserState } from '../engine.ts';

export class Account {
  active = 0;
  requests = 0;
  bytesIn = 0;
  bytesOut = 0;
  bytesToday = 0;
  /** When what was moved so far is within the bandwidth. */
  paidUntilMs = 0;
  #day = localDay();

  get state(): UserState {
    this.turnDay();
    const { active, requests, bytesIn, bytesOut, bytesToday } = this;
    return { active, requests, bytesIn, bytesOut, bytesToday };
  }

  turnDay(): void {
    const today = localDay();
    if (today === this.#day) return;
    this.#day = today;
    this.bytesToday = 0;
  }
}

export class LiveUser {
  readonly name: string;
  readonly account: Account;
  readonly #limits: PlanUser;

  constructor(limits: PlanUser, account: Account) {
    this.name = limits.name;
    this.account = account;
    this.#limits = limits;
  }

  /** Begins a request or tunnel, which end() ends; nothing has begun when there is an error. */
  begin(): Extract<ErrorCode, 'none' | 'user_limit' | 'user_quota'> {
    const { connections, bytesPerDay } = this.#limits;
    const { account } = this;
    account.turnDay();
    if (bytesPerDay > 0 && account.bytesToday >= bytesPerDay) return 'user_quota';
    if (connections > 0 && account.active >= connections) return 'user_limit';
    account.active++;
    account.requests++;
    return 'none';
  }

  end(): void {
    this.account.active--;
  }

  readonly chargeIn = (count: number): number => {
    this.account.bytesIn += count;
    return this.#charge(count);
  };

  readonly chargeOut = (count: number): number => {
    this.account.bytesOut += count;
    return this.#charge(count);
  };

  /** How many milliseconds the next bytes have to wait; less than 0: these are more than there are for today. */
  #charge(count: number): number {
    const { bytesPerDay, bytesPerSecond } = this.#limits;
    const { account } = this;
    account.turnDay();
    account.bytesToday += count;
    if (bytesPerDay > 0 && account.bytesToday > bytesPerDay) return -1;
    if (bytesPerSecond === 0) return 0;
    const nowMs = performance.now();
    account.paidUntilMs = Math.max(account.paidUntilMs, nowMs) + (count * 1000) / bytesPerSecond;
    return account.paidUntilMs - nowMs;
  }
}

/** Different on every day, by local time. */
function localDay(): number {
  const now = new Date();
  return (now.getFullYear() * 12 + now.getMonth()) * 32 + now.getDate();
}
