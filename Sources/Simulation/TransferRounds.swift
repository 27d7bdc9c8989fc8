import Collectives
import Engines
import Plans
import Programs
import Schedules

/// A rank's part in a transfer of a program, as CPU ranks carry it out: the rounds of its direct algorithm.
struct TransferPart {
  var kind: StepMessage.Kind
  /// Tells transfers of a kind and stage apart, as messages do.
  var number: Int
  /// −1 where it belongs to the step as a whole.
  var microbatch: Int
  var rounds: any Rounds
  /// This rank's position, and the ranks of the world at all of them: one may have several.
  var position: Int
  var ranks: [Int]
}

/// Who sends how many bytes to whom in the transfers of a step on CPU ranks.
///
/// Groups come from the plan's mesh, sizes from the programs and from the routes that a run recorded.
struct TransferRounds: Sendable {
  private let input: StepInput
  private let mesh: Mesh

  init(_ input: StepInput) {
    self.input = input
    mesh = input.plan.mesh
  }

  /// What `rank` does in a transfer.
  func part(in transfer: Transfer, _ instance: Instance, rank: Int) -> TransferPart {
    switch transfer.kind {
    case .counts(let exchange):
      let ranks = input.expertRanks
      let bytes = [[Int]](
        repeating: [Int](repeating: transfer.bytesPerRow, count: ranks), count: ranks)
      return part(AllToAll(bytes, inOneRound: true), .counts, exchange, instance, rank)
    case .dispatch(let exchange):
      return part(
        routes(exchange, transfer, instance, rank).directDispatch, .dispatch, exchange, instance,
        rank)
    case .combine(let exchange):
      return part(
        routes(exchange, transfer, instance, rank).directCombine, .combine, exchange, instance,
        rank)
    case .combineBackward(let exchange):
      return part(
        routes(exchange, transfer, instance, rank).directDispatch, .combineBackward, exchange,
        instance, rank)
    case .dispatchBackward(let exchange):
      return part(
        routes(exchange, transfer, instance, rank).directCombine, .dispatchBackward, exchange,
        instance, rank)
    case .reduceScatter: return part(.reduceScatter, .reduction, transfer, instance, rank)
    case .allReduce: return part(.allReduce, .reduction, transfer, instance, rank)
    case .allGather: return part(.allGather, .gather, transfer, instance, rank)
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

  private func part(
    _ rounds: any Rounds, _ kind: StepMessage.Kind, _ exchange: Int, _ instance: Instance,
    _ rank: Int
  ) -> TransferPart {
    TransferPart(
      kind: kind, number: exchange, microbatch: Int(instance.microbatch), rounds: rounds,
      position: mesh.expertCoordinate(of: rank), ranks: mesh.group(.expert, of: rank))
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

  /// Which uses of a tensor each copy holds gradients of, by their numbers over all stages, each as often
  /// as there are sums of it.
  private func terms(of segment: GradientSegment, _ copies: [Copy]) -> [[Int]] {
    let sums = GradientLanes(input.plan, target: .cpuRank).sums
    return uses(of: segment, copies).map { uses in
      uses.flatMap { use in (0..<sums).map { use * sums + $0 } }
    }
  }

  private func uses(of segment: GradientSegment, _ copies: [Copy]) -> [[Int]] {
    guard segment.isShared else { return copies.map { _ in [0] } }
    let counts = input.stages.indices.map { uses(of: segment, stage: $0) }
    return copies.map { copy in
      let first = counts[..<copy.stage].reduce(0, +)
      return Array(first..<first + counts[copy.stage])
    }
  }

  /// A copy's part in a collective; where the tensor is shared, it contributes once for each use.
  private func part(
    _ collective: Collective, _ kind: StepMessage.Kind, _ transfer: Transfer,
    _ instance: Instance, _ rank: Int
  ) -> TransferPart {
    precondition(transfer.segment >= 0, "CPU ranks reduce and gather whole segments alone")
    let stage = Int(instance.stage)
    let segment = input.stages[stage].segments[transfer.segment]
    let copies = copies(of: segment, stage: stage, rank: rank)
    guard let position = copies.firstIndex(of: Copy(rank: rank, stage: stage)) else {
      preconditionFailure("A rank reduces a segment that it holds no copy of.")
    }
    let chunks = Chunks(lengths: segment.folds.map { $0.count * transfer.bytesPerRow })
    return TransferPart(
      kind: kind, number: Int(segment.group.rawValue), microbatch: -1,
      rounds: collective.direct(chunks, terms: terms(of: segment, copies)), position: position,
      ranks: copies.map(\.rank))
  }
}
