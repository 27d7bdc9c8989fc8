/// Copies of gradients that travel in another format than they are kept in.
///
/// A bucket is converted, reduced in its copy and written back, or scattered to shards, as PyTorch's DDP does it
/// with a compressing hook (`torch/distributed/algorithms/ddp_comm_hooks/default_hooks.py`, `_compress_hook`), and
/// DeepSpeed with `communication_data_type` (`runtime/zero/stage_1_and_2.py`, `allreduce_bucket`). Megatron-Core's
/// buffers of gradients have the format of the reduction, so that it has none.
struct TravellingCopies {
  /// What one reduction has converted.
  struct Bucket {
    var number: Int
    var parameters: [Int]
    var copies: [BufferID]
    /// How many of them are written back, the first ones: all of what every copy updates; of a tensor with several
    /// uses the one that stands for all; none where shards hold the sums.
    var writtenBack: Int
  }

  /// Buckets that have a copy at a time: one moves while the next is converted.
  static let depth = 2

  /// Reductions of the stage, each a bucket; 0 where none gives its copy back before the norm.
  private let count: Int
  private var next = 0
  private var open: [Bucket] = []

  init(behindEachOther count: Int) { self.count = count }

  /// Takes up the next reduction's copies.
  mutating func add(_ parameters: [Int], _ copies: [BufferID], writtenBack: Int) {
    open.append(
      Bucket(
        number: next, parameters: parameters, copies: copies, writtenBack: writtenBack))
    next += 1
  }

  /// The bucket whose reduction has ended before the next one's copies are made, as reductions run one behind the
  /// other; nil if there is none.
  mutating func takeEarlier() -> Bucket? {
    guard let first = open.first, first.number <= next - Self.depth else { return nil }
    return open.removeFirst()
  }

  /// The bucket that was added last, if no later one frees it.
  mutating func takeLast() -> Bucket? {
    guard let last = open.last, last.number == next - 1, next + Self.depth > count else {
      return nil
    }
    return open.removeLast()
  }
}

extension StageProgram {
  /// What of a segment's gradients is reduced: themselves, or copies in the format of the reduction.
  mutating func addCopies(
    of segment: GradientSegment, isSharded: Bool, _ travelling: inout TravellingCopies,
    _ recipe: Recipe
  ) -> [BufferID] {
    guard recipe.gradient != recipe.reduction else {
      return segment.parameters.map { parameters[$0].gradient }
    }
    if let earlier = travelling.takeEarlier() { finish(earlier, in: \.reduce, recipe) }
    let copies = segment.parameters.map { index in
      let parameter = parameters[index]
      let made = packed("gradient, converted", parameter, recipe.reduction)
      reduce.steps.append(.acquire(made))
      reduce.steps.append(.compute(Int32(reduce.operations.count)))
      reduce.operations.append(
        conversion(
          parameter, from: recipe.gradient, to: recipe.reduction, outputs: [made],
          inputs: [parameter.gradient]))
      return made
    }
    travelling.add(
      segment.parameters, copies,
      writtenBack: isSharded ? 0 : segment.isShared ? 1 : copies.count)
    return copies
  }

  /// Writes a bucket's sums back and gives its copies back.
  mutating func finish(
    _ bucket: TravellingCopies.Bucket, in program: WritableKeyPath<StageProgram, Program>,
    _ recipe: Recipe
  ) {
    for (index, copy) in zip(bucket.parameters, bucket.copies).prefix(bucket.writtenBack) {
      let parameter = parameters[index]
      let written = conversion(
        parameter, from: recipe.reduction, to: recipe.gradient, outputs: [parameter.gradient],
        inputs: [copy])
      self[keyPath: program].steps.append(
        .compute(Int32(self[keyPath: program].operations.count)))
      self[keyPath: program].operations.append(written)
    }
    self[keyPath: program].steps += bucket.copies.map { .release($0) }
  }
}
