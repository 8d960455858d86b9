// Branded ids: an index into one of a plan's tables cannot be used to index another.

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

export type ListenerIndex = Branded<number, 'listener'>;
export type RouteIndex = Branded<number, 'route'>;
export type PoolIndex = Branded<number, 'pool'>;
export type TargetIndex = Branded<number, 'target'>;

export const listenerIndex = (value: number): ListenerIndex => value as ListenerIndex;
export const routeIndex = (value: number): RouteIndex => value as RouteIndex;
export const poolIndex = (value: number): PoolIndex => value as PoolIndex;
export const targetIndex = (value: number): TargetIndex => value as TargetIndex;

/** A half-open range [first, first + count) of a plan's table. */
export interface IndexRange {
  readonly first: number;
  readonly count: number;
}

export function assertNever(value: never): never {
  throw new TypeError(`unexpected value ${JSON.stringify(value)}`);
}
