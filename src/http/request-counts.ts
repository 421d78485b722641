/** What a request on the public listener was for; a fixed label, never a path. */
export const routeCodes = [
  'jwks',
  'pem',
  'key',
  'probe',
  'landing',
  'preflight',
  'registration',
  'validation',
  'other',
] as const;

/** One of {@link routeCodes}. */
export type RouteCode = (typeof routeCodes)[number];

/** Requests answered on the public listener, counted in plain numbers until a scrape asks for them. */
export interface RequestCounts {
  bump(route: RouteCode, status: number): void;
  entries(): readonly { readonly route: RouteCode; readonly status: number; readonly count: number }[];
}

/** Counts that start at nothing. */
export const createRequestCounts = (): RequestCounts => {
  const counts = Object.fromEntries(
    routeCodes.map((route) => [route, new Float64Array(600)] as const),
  ) as Record<RouteCode, Float64Array>;
  return {
    bump(route, status) {
      const row = counts[route];
      row[status] = (row[status] ?? 0) + 1;
    },
    entries: () =>
      routeCodes.flatMap((route) =>
        [...counts[route].entries()]
          .filter(([, count]) => count > 0)
          .map(([status, count]) => ({ route, status, count })),
      ),
  };
};
