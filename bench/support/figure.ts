/** One line of the table: what was measured beside what was promised. */
export interface Figure {
  readonly name: string;
  readonly measured: string;
  readonly target: string;
  /** Absent when nothing was promised. */
  readonly met?: boolean;
  readonly how: string;
}
