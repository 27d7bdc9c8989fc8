import Engines
import Kernels
import Models
import Programs

/// The order of rows by local expert, as an exchange's routing gives it.
///
/// It follows from the routing, so it is not kept between operations: it is made again where another
/// exchange came in between.
struct PermutationCache {
  fileprivate var key: (stage: Int32, microbatch: Int32, exchange: Int)?
  fileprivate var local: [Int32] = []
  fileprivate var order: [Int32] = []
  fileprivate var positions: [Int32] = []
  fileprivate var counts: [Int32] = []
  fileprivate var total = 0

  /// Forgets the exchange, as its routing is about to be written.
  mutating func forget() { key = nil }
}

extension RankBackend {
  /// Rows of tokens that an exchange brings to this rank.
  private func arrivedRows(_ exchange: Int, _ instance: Instance) -> Int {
    assignment.plan.expertParallel == 1
      ? assignment.plan.tokensPerMicrobatch : counts(exchange, instance).receivedRows
  }

  private func permutation(
    _ exchange: Int, _ bound: BoundOperation, _ routing: UnsafeMutablePointer<Float>
  ) -> PermutationCache {
    let instance = bound.instance
    if let key = permutation.key,
      key == (instance.stage, instance.microbatch, exchange)
    {
      return permutation
    }
    let mixture = assignment.mixture(bound.operation.layer)
    let chosen = mixture.expertsPerToken
    let rows = arrivedRows(exchange, instance)
    let here = assignment.localExperts(of: mixture)
    let numbers = bound.integers(routing)
    var made = PermutationCache()
    swap(&made, &permutation)
    made.local = (0..<rows * chosen).map { slot in
      let expert = Int(numbers[slot])
      return here.contains(expert) ? Int32(expert - here.lowerBound) : -1
    }
    made.order = Array(repeating: 0, count: rows * chosen)
    made.positions = made.order
    made.counts = Array(repeating: 0, count: here.count)
    made.total = expertOrder(
      order: &made.order, positions: &made.positions, counts: &made.counts,
      experts: made.local, rows: rows, chosen: chosen, expertCount: here.count)
    made.key = (instance.stage, instance.microbatch, exchange)
    permutation = made
    return made
  }

  private func exchange(of rows: Rows) -> Int {
    switch rows {
    case .received(let exchange), .routed(let exchange), .sent(let exchange),
      .gathered(let exchange, _):
      exchange
    case .fixed: preconditionFailure("Rows of experts follow from an exchange.")
    }
  }

  // MARK: Routing

  private func rule(_ mixture: Mixture) -> RouterRule {
    RouterRule(
      experts: mixture.routedExperts, chosen: mixture.expertsPerToken,
      score: mixture.scoring == .sigmoid ? .sigmoid : .softmax, groups: mixture.groups,
      chosenGroups: mixture.groupsPerToken,
      groupScore: mixture.groupScore == .sumOfTopTwo ? .topTwo : .best,
      isNormalised: mixture.normalizesWeights, scale: Float(mixture.routedScaling))
  }

  func route(_ bound: BoundOperation, _ shape: RouterShape, _ pass: Programs.Pass) {
    let rule = rule(assignment.mixture(bound.operation.layer))
    let slots = shape.tokens * shape.chosen
    if pass == .forward {
      let experts = bound.integers(bound[0])
      routerForward(
        weights: bound[0] + slots, experts: experts, scores: bound[1], bound.input(0),
        bias: bound.inputCount == 2 ? UnsafePointer(bound.input(1)) : nil, rows: shape.tokens,
        rule)
      permutation.forget()
      guard !bound.operation.isRecomputed else { return }
      note(experts, bound[1], shape, bound, rule)
      return
    }
    let (routing, scores) = (bound.input(1), bound.input(2))
    let experts = bound.integers(routing)
    var scoreGradient: UnsafePointer<Float>?
    let runs = balanceRuns(of: bound.instance)
    let joined = joinedBalances[Int(bound.instance.microbatch)]
    if let joined, !runs.isEmpty {
      precondition(
        joined.rows == mixtureLayers * runs.rowCount, "a backward knows the routers of all layers")
      bound[0].update(repeating: 0, count: shape.tokens * shape.experts)
      for run in runs {
        joined.backward(
          bound[0], scores: scores, rows: run.rows,
          weight: assignment.architecture.joinedBalance * sequences(runs)
            / Double(assignment.plan.globalBatch))
      }
      scoreGradient = UnsafePointer(bound[0])
    } else if setting.balanceWeight > 0 {
      // Written where the router reads it before it overwrites it, row by row.
      balanceLossBackward(
        bound[0], scores: scores, experts: experts, rows: shape.tokens, runs: runs,
        alpha: setting.balanceWeight, scale: 1 / Double(assignment.plan.globalBatch), rule)
      scoreGradient = UnsafePointer(bound[0])
    }
    routerBackward(
      bound[0], bound.input(0), scoreGradient: scoreGradient, scores: scores, experts: experts,
      rows: shape.tokens, rule)
  }

  /// Counts the experts' tokens that routers are balanced over, and the balance loss; without an exchange the
  /// rows are known now.
  private func note(
    _ experts: UnsafeMutablePointer<Int32>, _ scores: UnsafeMutablePointer<Float>,
    _ shape: RouterShape, _ bound: BoundOperation, _ rule: RouterRule
  ) {
    let layer = bound.operation.layer
    let slots = shape.tokens * shape.chosen
    let runs = balanceRuns(of: bound.instance)
    for run in runs {
      for slot in run.rows.lowerBound * shape.chosen..<run.rows.upperBound * shape.chosen {
        sums.loads[layer * assignment.expertCount + Int(experts[slot])] += 1
      }
    }
    let microbatch = Int(bound.instance.microbatch)
    if recording.routes {
      let chosen = Array(UnsafeBufferPointer(start: experts, count: slots))
      ledger.routes.append(
        Route(
          layer: layer, microbatch: assignment.globalMicrobatch(microbatch), experts: chosen))
    }
    if assignment.architecture.joinedBalance > 0 {
      join(experts, scores, runs, layer: layer, microbatch, rule)
    } else if setting.balanceWeight > 0 {
      let loss = balanceLoss(
        scores: scores, experts: experts, runs: runs, alpha: setting.balanceWeight, rule)
      sums.add(
        balance: loss, layer: layer, microbatch: assignment.globalMicrobatch(microbatch))
    }
    if assignment.plan.expertParallel == 1 {
      setCounts(
        ExchangeCounts(
          stage: Int(bound.instance.stage), microbatch: microbatch, exchange: shape.exchange,
          sent: [shape.tokens], received: [shape.tokens], routed: [slots]), bound.instance)
    }
  }

  private var mixtureLayers: Int {
    assignment.architecture.feedForwards.count { $0.mixture != nil }
  }

  /// How many of the step's sequences a microbatch stands for: by its rows that count.
  private func sequences(_ runs: [BalanceRun]) -> Double {
    guard let whole = source.followedTokens() else { return Double(assignment.plan.microbatchSize) }
    return Double(runs.rowCount) * Double(assignment.plan.globalBatch) / Double(max(1, whole))
  }

  /// Adds a router to the balance loss over all layers, which is known behind the last of them, on the rank
  /// that holds it.
  private func join(
    _ experts: UnsafeMutablePointer<Int32>, _ scores: UnsafeMutablePointer<Float>,
    _ runs: [BalanceRun], layer: Int, _ microbatch: Int, _ rule: RouterRule
  ) {
    guard !runs.isEmpty else { return }
    for run in runs {
      joinedBalances[microbatch, default: JoinedBalance(experts: rule.experts)]
        .add(scores: scores, experts: experts, rows: run.rows, rule)
    }
    guard let joined = joinedBalances[microbatch], joined.rows == mixtureLayers * runs.rowCount
    else { return }
    // Sums are meant over sequences, of which a microbatch's loss stands for all that it has.
    sums.add(
      balance: assignment.architecture.joinedBalance * joined.loss * sequences(runs),
      layer: layer, microbatch: assignment.globalMicrobatch(microbatch))
  }

  // MARK: Rows of experts

  func permute(_ bound: BoundOperation, _ exchange: Int, columns: Int, _ pass: Programs.Pass) {
    let chosen = assignment.mixture(bound.operation.layer).expertsPerToken
    let rows = arrivedRows(exchange, bound.instance)
    if pass == .forward {
      let known = permutation(exchange, bound, bound.input(1))
      permuteForward(
        bound[0], bound.input(0), order: known.order, permuted: known.total, chosen: chosen,
        columns: columns)
      return
    }
    let known = permutation(exchange, bound, bound.input(bound.inputCount - 1))
    permuteBackward(
      bound[0], bound.input(0), positions: known.positions, rows: rows, chosen: chosen,
      columns: columns)
    let hasWeights = bound.inputCount == 3
    for slot in 0..<rows * chosen {
      let position = Int(known.positions[slot])
      bound[1][slot] = hasWeights && position >= 0 ? bound.input(1)[position] : 0
    }
  }

  func unpermute(_ bound: BoundOperation, _ exchange: Int, columns: Int, _ pass: Programs.Pass) {
    let chosen = assignment.mixture(bound.operation.layer).expertsPerToken
    let known = permutation(exchange, bound, bound.input(1))
    if pass == .forward {
      // The weights are in the rows already: what is left is the sum of a token's rows.
      permuteBackward(
        bound[0], bound.input(0), positions: known.positions,
        rows: arrivedRows(exchange, bound.instance), chosen: chosen, columns: columns)
    } else {
      permuteForward(
        bound[0], bound.input(0), order: known.order, permuted: known.total, chosen: chosen,
        columns: columns)
    }
  }

  func grouped(_ bound: BoundOperation, _ matmul: Programs.Matmul, _ experts: Int) {
    let known = permutation(
      exchange(of: matmul.m), bound, bound.input(bound.inputCount - 1))
    let shape = GroupedShape(
      counts: known.counts.map { Int($0) }, inputs: matmul.k, outputs: matmul.n,
      layout: matmul.transposed ? .inputsFirst : .outputsFirst)
    switch matmul.pass {
    case .forward: groupedForward(bound[0], bound.input(0), bound.input(1), shape, on: bench)
    case .backwardInput:
      groupedBackwardInput(bound[0], bound.input(0), bound.input(1), shape, on: bench)
    case .backwardWeight:
      groupedBackwardWeight(bound[0], bound.input(0), bound.input(1), shape, on: bench)
    }
  }

  func gatedUnit(
    _ bound: BoundOperation, rows: Int, columns: Int, weighted: Bool, _ pass: Programs.Pass
  ) {
    let isForward = pass == .forward
    let input = isForward ? bound.input(0) : bound.input(1)
    if !weighted {
      if isForward {
        swigluForward(
          bound[0], gate: input, up: input + columns, rows: rows, columns: columns,
          stride: 2 * columns)
      } else {
        swigluBackward(
          gate: bound[0], up: bound[0] + columns, bound.input(0), gate: input,
          up: input + columns, rows: rows, columns: columns, stride: 2 * columns)
      }
      return
    }
    guard case .gatedUnit(let shape, _, _, _) = bound.operation.kernel else { return }
    let routing = bound.input(bound.inputCount - 1)
    let exchange = exchange(of: shape)
    let known = permutation(exchange, bound, routing)
    let slots =
      arrivedRows(exchange, bound.instance)
      * assignment.mixture(bound.operation.layer).expertsPerToken
    let weights = routing + slots
    if isForward {
      swigluForward(
        bound[0], gate: input, up: input + columns, rows: rows, columns: columns,
        stride: 2 * columns)
      for row in 0..<rows {
        let target = bound[0] + row * columns
        Kernels.scale(target, target, by: weights[Int(known.order[row])], count: columns)
      }
    } else {
      weightedBackward(bound, input, rows: rows, columns: columns) {
        weights[Int(known.order[$0])]
      }
    }
  }

  /// Gradients of weighted rows: the weight's is the product of the gradient with the unweighted row.
  private func weightedBackward(
    _ bound: BoundOperation, _ input: UnsafeMutablePointer<Float>, rows: Int, columns: Int,
    weight: (Int) -> Float
  ) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: columns) { scratch in
      guard let scratch = scratch.baseAddress else { return }
      for row in 0..<rows {
        let (gate, gradient) = (input + 2 * row * columns, bound.input(0) + row * columns)
        let out = bound[0] + 2 * row * columns
        if bound.operation.outputCount == 2 {
          swigluForward(scratch, gate: gate, up: gate + columns, rows: 1, columns: columns)
          bound[1][row] = dot(scratch, gradient, count: columns)
        }
        Kernels.scale(scratch, gradient, by: weight(row), count: columns)
        swigluBackward(
          gate: out, up: out + columns, scratch, gate: gate, up: gate + columns, rows: 1,
          columns: columns)
      }
    }
  }
}

extension [BalanceRun] {
  /// Rows of all runs.
  fileprivate var rowCount: Int { reduce(0) { $0 + $1.rows.count } }
}
