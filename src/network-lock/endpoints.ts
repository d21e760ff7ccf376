/** Both ends of a connection whose packets are held. */
export interface End {
  /** As in the images: 1 word (IPv4) or 4. */
  readonly words: readonly number[];
  readonly port: number;
}
export interface Endpoints { readonly family: number; readonly local: End; readonly peer: End }
