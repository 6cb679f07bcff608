/** A running hash over everything a simulation does: two runs of one seed that differ anywhere end in different hashes. */
export class StateHash {
  #high = 0x811c9dc5;
  #low = 0x9e3779b9;

  add(text: string): void {
    let high = this.#high;
    let low = this.#low;
    for (let at = 0; at < text.length; at += 1) {
      const unit = text.charCodeAt(at);
      high = Math.imul(high ^ unit, 0x01000193);
      low = Math.imul(low ^ (unit + at), 0x85ebca6b);
    }
    this.#high = high;
    this.#low = low ^ (low >>> 13);
  }

  text(): string {
    return (this.#high >>> 0).toString(16).padStart(8, "0") + (this.#low >>> 0).toString(16).padStart(8, "0");
  }
}
