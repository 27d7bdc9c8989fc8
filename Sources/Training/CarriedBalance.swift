import Engines
import Kernels
import Programs

/// The routers' part in a balance loss over all layers, on its way along a pipeline.
///
/// The sums of all layers so far go with each activation, and go on being added up behind it, layer by layer in
/// the model's order: the same additions as on one rank. The stage of the last router knows all, and has the
/// loss; the gradients bring all back. A microbatch is at one stage at a time, forward and then backward, so
/// that a rank keeps one set of sums for it, whichever of its stages is meant. Between stages of one rank
/// nothing has to be written.
extension RankBackend {
  /// Writes what is known of a microbatch's routers behind the rows of what is sent.
  func writeCarriedBalance(to buffer: BufferID, _ instance: Instance) {
    let bytes = carriedBytes(of: buffer, instance)
    guard bytes.count > 0 else { return }
    joined(Int(instance.microbatch)).write(to: bytes)
  }

  /// Takes over what the rank before knew of a microbatch's routers, which has all that this one knew.
  func takeCarriedBalance(from buffer: BufferID, _ instance: Instance) {
    guard failure == nil else { return }
    let bytes = carriedBytes(of: buffer, instance)
    guard bytes.count > 0 else { return }
    joinedBalances[Int(instance.microbatch)] = JoinedBalance(
      experts: assignment.expertCount, from: UnsafeRawBufferPointer(bytes))
  }

  private func joined(_ microbatch: Int) -> JoinedBalance {
    joinedBalances[microbatch] ?? JoinedBalance(experts: assignment.expertCount)
  }

  /// The end of a boundary's buffer.
  private func carriedBytes(
    of buffer: BufferID, _ instance: Instance
  ) -> UnsafeMutableRawBufferPointer {
    let count = assignment.carriedBytes
    guard count > 0 else { return UnsafeMutableRawBufferPointer(start: nil, count: 0) }
    let stage = Int(instance.stage)
    let all = memory[stage]!.bytes[index(buffer, stage, Int(instance.microbatch))]
    return UnsafeMutableRawBufferPointer(
      start: address(buffer, instance) + (all - count), count: count)
  }
}
