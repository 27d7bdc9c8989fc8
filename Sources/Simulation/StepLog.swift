import Collectives
import Engines
import Plans
import Programs
import Schedules

/// What ranks do in which order in a simulated step, and who sends how many bytes to whom, written down
/// as they come to it.
///
/// Collectives are the rounds of their direct algorithms, as CPU ranks carry them out. Groups come from the plan's mesh, sizes from the programs and from the routes that a run recorded.
public struct StepLog: Sendable {
  private let input: StepInput
  private let mesh: Mesh
  /// The messages of all ranks.
  public private(set) var messages: [StepMessage] = []
  /// What each rank started, in order, by rank of the world.
  public private(set) var order: [[StepEntry]]
  /// The streams of `order`.
  public private(set) var streams: [[Stream]]

  init(_ input: StepInput, ranks: Int) {
    self.input = input
    mesh = input.plan.mesh
    order = Array(repeating: [], count: ranks)
    streams = Array(repeating: [], count: ranks)
  }

  private mutating func add(_ entry: StepEntry, _ stream: Stream, on rank: Int) {
    order[rank].append(entry)
    streams[rank].append(stream)
  }

  /// A rank computes an operation of a stage's program.
  mutating func add(operation index: Int, _ instance: Instance, on rank: Int) {
    add(.operation(instance, index: index), .compute, on: rank)
  }

  /// A rank starts to send or receive an activation or a gradient.
  mutating func add(_ transfer: PipelineTransfer, bytes: Int, on rank: Int) {
    add(
      .message(
        transfer.boundary, isSend: transfer.isSend, stage: transfer.stage,
        microbatch: transfer.microbatch), .pipeline, on: rank)
    guard transfer.isSend else { return }
    var place = mesh.coordinates(of: rank)
    place.pipeline = transfer.peer
    messages.append(
      StepMessage(
        .pipeline, stage: transfer.stage, microbatch: transfer.microbatch,
        number: transfer.boundary == .activation ? 0 : 1, from: rank, to: mesh.rank(at: place),
        bytes: bytes))
  }

  /// A rank starts a transfer of a stage's program.
  mutating func add(_ transfer: Transfer, _ index: Int, _ instance: Instance, on rank: Int) {
    add(.transfer(instance, index: index), transfer.stream, on: rank)
    switch transfer.kind {
    case .counts(let exchange):
      let ranks = input.expertRanks
      let bytes = [[Int]](
        repeating: [Int](repeating: transfer.bytesPerRow, count: ranks), count: ranks)
      add(AllToAll(bytes, inOneRound: true), .counts, exchange, instance, from: rank)
    case .dispatch(let exchange):
      add(
        routes(exchange, transfer, instance, rank).directDispatch, .dispatch, exchange, instance,
        from: rank)
    case .combine(let exchange):
      add(
        routes(exchange, transfer, instance, rank).directCombine, .combine, exchange, instance,
        from: rank)
    case .combineBackward(let exchange):
      add(
        routes(exchange, transfer, instance, rank).directDispatch, .combineBackward, exchange,
        instance, from: rank)
    case .dispatchBackward(let exchange):
      add(
        routes(exchange, transfer, instance, rank).directCombine, .dispatchBackward, exchange,
        instance, from: rank)
    case .reduceScatter: add(.reduceScatter, .reduction, transfer, instance, from: rank)
    case .allReduce: add(.allReduce, .reduction, transfer, instance, from: rank)
    case .allGather: add(.allGather, .gather, transfer, instance, from: rank)
    case .shift: preconditionFailure("CPU ranks neither share a sequence nor cut exchanges.")
    case .toHost, .fromHost: preconditionFailure("CPU ranks lie in their host's memory.")
    }
  }

  // MARK: Experts

  /// Whose tokens go where in an exchange, as the run recorded it.
  private func routes(
    _ exchange: Int, _ transfer: Transfer, _ instance: Instance, _ rank: Int
  ) -> ExpertExchange {
    let group = mesh.group(.expert, of: rank)
    let rows = group.map { member in
      guard
        let known = input.routes?[
          rank: member, stage: Int(instance.stage), microbatch: Int(instance.microbatch),
          exchange: exchange]
      else {
        precondition(group.count == 1, "messages of experts follow from recorded routes")
        return [0]
      }
      return known
    }
    let placement = Collectives.Placement(nodeSizes: [group.count])
    return ExpertExchange(
      RowCounts(toRank: rows), rowBytes: transfer.bytesPerRow, on: placement)
  }

  private mutating func add(
    _ rounds: some Rounds, _ kind: StepMessage.Kind, _ exchange: Int, _ instance: Instance,
    from rank: Int
  ) {
    let group = mesh.group(.expert, of: rank)
    for round in 0..<rounds.roundCount {
      let own = rounds.messages(of: mesh.expertCoordinate(of: rank), inRound: round)
      for message in own.sent {
        messages.append(
          StepMessage(
            kind, stage: Int(instance.stage), microbatch: Int(instance.microbatch),
            number: exchange, from: rank, to: group[message.destination], bytes: message.bytes))
      }
    }
  }

  // MARK: Gradients and parameters

  /// One copy of a segment: a rank may hold several, for stages that share a tensor.
  private struct Copy: Equatable {
    var rank: Int
    var stage: Int
  }

  /// How many of a stage's parameters have gradients of their own in a segment.
  private func uses(of segment: GradientSegment, stage: Int) -> Int {
    input.stages[stage].parameters.count {
      $0.isTrained && $0.gradientGroup == segment.group
    }
  }

  /// All copies in the order of what they own: by data rank, then direction, then stage.
  private func copies(of segment: GradientSegment, stage: Int, rank: Int) -> [Copy] {
    let stages =
      segment.isShared
      ? input.stages.indices.filter { uses(of: segment, stage: $0) > 0 } : [stage]
    let replicas = mesh.group(segment.group == .expertGradient ? .expertData : .data, of: rank)
    return replicas.flatMap { replica in
      (0..<(input.plan.isBidirectional ? 2 : 1)).flatMap { direction in
        stages.map { stage in
          var place = mesh.coordinates(of: replica)
          place.pipeline = mesh.positions(ofStages: [stage], placement: input.placement)[direction]
          return Copy(rank: mesh.rank(at: place), stage: stage)
        }
      }
    }
  }

  /// Which uses of a tensor each copy holds gradients of, by their numbers over all stages.
  private func terms(of segment: GradientSegment, _ copies: [Copy]) -> [[Int]] {
    guard segment.isShared else { return copies.map { _ in [0] } }
    let counts = input.stages.indices.map { uses(of: segment, stage: $0) }
    return copies.map { copy in
      let first = counts[..<copy.stage].reduce(0, +)
      return Array(first..<first + counts[copy.stage])
    }
  }

  /// A copy's part in a collective; where the tensor is shared, it contributes once for each use.
  private mutating func add(
    _ collective: Collective, _ kind: StepMessage.Kind, _ transfer: Transfer,
    _ instance: Instance, from rank: Int
  ) {
    precondition(transfer.segment >= 0, "CPU ranks reduce and gather whole segments alone")
    let stage = Int(instance.stage)
    let segment = input.stages[stage].segments[transfer.segment]
    let copies = copies(of: segment, stage: stage, rank: rank)
    guard let position = copies.firstIndex(of: Copy(rank: rank, stage: stage)) else {
      preconditionFailure("A rank reduces a segment that it holds no copy of.")
    }
    let chunks = Chunks(lengths: segment.folds.map { $0.count * transfer.bytesPerRow })
    let rounds = collective.direct(chunks, terms: terms(of: segment, copies))
    for round in 0..<rounds.roundCount {
      for message in rounds.messages(of: position, inRound: round).sent {
        messages.append(
          StepMessage(
            kind, stage: stage, number: Int(segment.group.rawValue), from: rank,
            to: copies[message.destination].rank, bytes: message.bytes))
      }
    }
  }
}
