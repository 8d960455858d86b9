// How busy a target is for its weight.

/** Whether (inFlightA + 1) / weightA < (inFlightB + 1) / weightB. The + 1 is the request at hand. */
export function isLighter(
  inFlightA: number,
  weightA: number,
  inFlightB: number,
  weightB: number,
): boolean {
  return (inFlightA + 1) * weightB < (inFlightB + 1) * weightA;
}
