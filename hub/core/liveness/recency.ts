/**
 * Hosts in the order they were last heard of: a doubly linked list through the hosts themselves. Hearing of one moves it to the
 * end, in constant time and without garbage; the silent ones are at the front, so that a check looks at those that are due and
 * at one more, never at the fleet. (A heap would cost a logarithm per sync; a Map re-inserted per sync leaves tombstones.)
 */
export interface Linked<Node extends Linked<Node>> {
  heardBefore: Node | undefined;
  heardAfter: Node | undefined;
  /** The list that holds it now. */
  inList: Recency<Node> | undefined;
}

export class Recency<Node extends Linked<Node>> {
  #first: Node | undefined;
  #last: Node | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The one that has been silent the longest. */
  get first(): Node | undefined {
    return this.#first;
  }

  /** It was heard just now: to the end, out of whatever list held it. */
  push(node: Node): void {
    if (node === this.#last) return;
    node.inList?.remove(node);
    node.inList = this;
    node.heardBefore = this.#last;
    node.heardAfter = undefined;
    if (this.#last === undefined) this.#first = node;
    else this.#last.heardAfter = node;
    this.#last = node;
    this.#size += 1;
  }

  remove(node: Node): void {
    if (node.inList !== this) return;
    if (node.heardBefore === undefined) this.#first = node.heardAfter;
    else node.heardBefore.heardAfter = node.heardAfter;
    if (node.heardAfter === undefined) this.#last = node.heardBefore;
    else node.heardAfter.heardBefore = node.heardBefore;
    node.heardBefore = undefined;
    node.heardAfter = undefined;
    node.inList = undefined;
    this.#size -= 1;
  }
}
