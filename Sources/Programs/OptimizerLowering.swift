/// Parameters of a stage that are reduced, owned and gathered together.
public struct GradientSegment: Hashable, Sendable {
  public var group: TransferKind.Group
  /// Indices into `StageProgram.parameters`.
  public var parameters: [Int]
  /// Elements of all of them.
  public var elements: Int
  /// Elements that one rank owns: whole blocks, the last owner's may be shorter.
  public var shardElements: Int
  /// The reduced gradient of the shard; none where this rank alone holds the segment.
  public var shardGradient: BufferID?

  /// Shards are cut at blocks of this many elements, so that sums over blocks do not depend on the cut.
  public static let blockElements = 4096
}

extension StageProgram {
  /// Adds the optimizer: its state, and the programs that reduce, measure, update and gather.
  ///
  /// With ZeRO stage 0 gradients are all-reduced and every copy updates everything. From stage 1 on they
  /// are reduce-scattered, each rank updates its shard, and parameters are gathered.
  mutating func addOptimizer(_ setting: LoweringSetting) {
    for (group, members) in segmentMembers() where !members.isEmpty {
      let copies = Self.copies(of: group, setting)
      let elements = members.reduce(0) { $0 + parameters[$1].elements }
      addSegment(group, members, elements, copies: copies, setting)
    }
    settle.transfers = update.transfers
    settle.steps = update.transfers.indices.map { .wait(Int32($0)) }
  }

  private static func copies(of group: TransferKind.Group, _ setting: LoweringSetting) -> Int {
    group == .expertGradient ? setting.expertCopies : setting.gradientCopies
  }

  private func segmentMembers() -> [(TransferKind.Group, [Int])] {
    var members: [(TransferKind.Group, [Int])] = [
      (.gradient, []), (.expertGradient, []), (.sharedEmbedding, []), (.sharedHead, []),
    ]
    for (index, parameter) in parameters.enumerated() where parameter.isTrained {
      let slot: Int
      if parameter.isExpert {
        slot = 1
      } else if !parameter.isShared {
        slot = 0
      } else {
        let isHead = parameter.roles.contains(.head) || parameter.roles.contains(.predictionHead)
        slot = isHead && !parameter.isTied ? 3 : 2
      }
      members[slot].1.append(index)
    }
    return members
  }

  private mutating func addSegment(
    _ group: TransferKind.Group, _ members: [Int], _ elements: Int, copies: Int,
    _ setting: LoweringSetting
  ) {
    let isSharded = setting.zeroStage >= 1 && copies > 1
    let block = GradientSegment.blockElements
    let blocks = (elements + block - 1) / block
    let owned = isSharded ? min(elements, (blocks + copies - 1) / copies * block) : elements
    var segment = GradientSegment(
      group: group, parameters: members, elements: elements, shardElements: owned,
      shardGradient: nil)
    let gradients = members.map { parameters[$0].gradient }
    let weights = members.map { parameters[$0].buffer }
    let bytes = setting.recipe.gradient.bytes(columns: 1)
    if copies > 1 {
      let shard = add("\(group) shard", .communication, owned, setting.recipe.gradient)
      segment.shardGradient = shard
      reduce.steps.append(.start(Int32(reduce.transfers.count)))
      norm.steps.append(.wait(Int32(reduce.transfers.count)))
      reduce.transfers.append(
        Transfer(
          isSharded ? .reduceScatter(group) : .allReduce(group), outputs: [shard],
          inputs: gradients, stream: .data, bytesPerRow: bytes, rows: .fixed(elements),
          phase: .optimizer, pass: .backwardWeight, layer: -1))
    }
    let source = segment.shardGradient.map { [$0] } ?? gradients
    norm.steps.append(.compute(Int32(norm.operations.count)))
    norm.operations.append(
      Operation(
        .squareSum(elements: owned), outputs: [], inputs: source, phase: .optimizer,
        pass: .backwardWeight, layer: -1))
    addUpdate(segment, weights, source, isSharded: isSharded, setting)
    segments.append(segment)
  }

  private mutating func addUpdate(
    _ segment: GradientSegment, _ weights: [BufferID], _ source: [BufferID], isSharded: Bool,
    _ setting: LoweringSetting
  ) {
    let owned = segment.shardElements
    let recipe = setting.recipe
    var state = [
      add("\(segment.group) first moment", .optimizer, owned, recipe.moment),
      add("\(segment.group) second moment", .optimizer, owned, recipe.moment),
    ]
    if let master = recipe.master {
      state.append(add("\(segment.group) master weights", .optimizer, owned, master))
    }
    update.steps.append(.compute(Int32(update.operations.count)))
    update.operations.append(
      Operation(
        .adamW(elements: owned), outputs: weights + state, inputs: source, phase: .optimizer,
        pass: .backwardWeight, layer: -1))
    guard isSharded else { return }
    let index = Int32(update.transfers.count)
    update.transfers.append(
      Transfer(
        .allGather(segment.group), outputs: weights, inputs: weights, stream: .data,
        bytesPerRow: recipe.parameter.bytes(columns: 1), rows: .fixed(owned), phase: .optimizer,
        pass: .backwardWeight, layer: -1))
    update.steps.append(.start(index))
  }

  private mutating func add(
    _ name: String, _ use: Buffer.Use, _ elements: Int, _ format: Format
  ) -> BufferID {
    buffers.append(
      Buffer(name, use, .stage, rows: .fixed(elements), columns: 1, format: format))
    return BufferID(buffers.count - 1)
  }
}
