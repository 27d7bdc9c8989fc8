import Kernels
import Testing

@Suite struct RoutingTests {
  static let rules = [
    RouterRule(
      experts: 8, chosen: 3, score: .sigmoid, groups: 4, chosenGroups: 2, isNormalised: true,
      scale: 2.5),
    RouterRule(experts: 9, chosen: 2, score: .softmax, isNormalised: true),
    RouterRule(experts: 5, chosen: 1, score: .softmax, isNormalised: false, scale: 3),
    RouterRule(
      experts: 12, chosen: 4, score: .softmax, groups: 3, chosenGroups: 2, groupScore: .best,
      isNormalised: false, scale: 16),
    RouterRule(experts: 16, chosen: 16, score: .sigmoid, isNormalised: true),
  ]

  @Test(arguments: rules, [false, true])
  func routesAsSortingDoes(_ rule: RouterRule, _ isBiased: Bool) {
    var numbers = Numbers(seed: 14)
    let rows = 40
    let logits = numbers.floats(rows * rule.experts, limit: 3)
    let bias = isBiased ? numbers.floats(rule.experts, limit: 0.5) : nil
    let dw = numbers.floats(rows * rule.chosen)
    let ds = numbers.floats(rows * rule.experts)
    var experts = [Int32](repeating: -7, count: rows * rule.chosen)
    var scores = [Float](repeating: .nan, count: rows * rule.experts)
    let weights = filled(rows * rule.chosen) {
      routerForward(
        weights: $0, experts: &experts, scores: &scores, logits, bias: bias, rows: rows, rule)
    }
    let gradient = filled(logits.count) {
      routerBackward(
        $0, dw, scoreGradient: ds, scores: scores, experts: experts, rows: rows, rule)
    }
    for row in 0..<rows {
      let all = row * rule.experts..<(row + 1) * rule.experts
      let some = row * rule.chosen..<(row + 1) * rule.chosen
      let x = doubles(Array(logits[all]))
      let route = Reference.route(x, bias: bias.map(doubles), rule)
      #expect(route.experts == experts[some].map(Int.init))
      expectClose(Array(weights[some]), route.weights)
      expectClose(Array(scores[all]), route.scores)
      let expected = Reference.gradient(at: x) {
        let moved = Reference.route($0, bias: bias.map(doubles), rule).scores
        let weights = Reference.weights(scores: moved, experts: route.experts, rule)
        return product(weights, doubles(Array(dw[some])))
          + product(moved, doubles(Array(ds[all])))
      }
      expectClose(Array(gradient[all]), expected, within: 5e-5)
    }
  }

  /// Equal values, one digit each, and what `torch.topk` of PyTorch 2.15 takes of them on a CPU.
  static let ties: [(values: String, chosen: [Int32])] = [
    ("1101", [1, 3]), ("00001", [2, 3, 4]), ("10100001", [0, 2]), ("10100022", [6, 7]),
    ("10000000", [0, 4, 5, 6]), ("00011111", [6]), ("011000011", [1, 7, 8]),
    ("0001000", [0, 1, 2, 3, 4, 5, 6]), ("0110010112202221", [8, 9, 10, 12, 13, 14]),
    ("0111110110010110", [1, 7, 8, 11]),
    ("12110020121201222021021210000002", [9, 11, 14, 15, 16, 18, 23, 31]),
    (
      "0302113021322010303310130001120010031303101100212003110202023131",
      [10, 18, 19, 23, 37, 51]
    ),
  ]

  @Test(arguments: ties)
  func tiesAreBrokenAsTheReferenceDoes(_ values: String, _ expected: [Int32]) {
    let digits = values.utf8.map { Float($0) - 48 }
    let rule = RouterRule(
      experts: digits.count, chosen: expected.count, score: .sigmoid, isNormalised: true)
    // Saturated logits: the bias alone decides.
    let logits = [Float](repeating: 40, count: digits.count)
    var experts = [Int32](repeating: -7, count: expected.count)
    var scores = digits
    _ = filled(expected.count) {
      routerForward(
        weights: $0, experts: &experts, scores: &scores, logits, bias: digits, rows: 1, rule)
    }
    #expect(experts.sorted() == expected)
    let order = experts.map { (-digits[Int($0)], $0) }
    #expect(zip(order, order.dropFirst()).allSatisfy { $0 < $1 }, "best first")
  }

  @Test func tiedGroupsAreChosenAsTiedExpertsAre() {
    let rule = RouterRule(
      experts: 16, chosen: 4, score: .sigmoid, groups: 8, chosenGroups: 2, isNormalised: true)
    // Groups of two are worth 1, 0, 1, 0, 0, 0, 0, 1 twice over: the first line of eight above.
    let bias = "10100001".utf8.flatMap { [Float($0) - 48, Float($0) - 48] }
    var experts = [Int32](repeating: -7, count: 4)
    var scores = bias
    _ = filled(4) {
      routerForward(
        weights: $0, experts: &experts, scores: &scores, [Float](repeating: 40, count: 16),
        bias: bias, rows: 1, rule)
    }
    #expect(experts == [0, 1, 4, 5])
  }

  @Test func aRowOfNaNStillGetsDistinctExperts() {
    let rule = RoutingTests.rules[0]
    var experts = [Int32](repeating: -7, count: 3)
    var scores = [Float](repeating: 0, count: 8)
    let logits = [Float](repeating: .nan, count: 8)
    let weights = filled(3) {
      routerForward(weights: $0, experts: &experts, scores: &scores, logits, rows: 1, rule)
    }
    #expect(Set(experts).count == 3 && experts.allSatisfy { $0 >= 0 && $0 < 8 })
    #expect(weights.allSatisfy { $0.isNaN })
  }

  @Test func balanceLossAndItsGradient() {
    let rule = RouterRule(experts: 6, chosen: 2, score: .sigmoid, isNormalised: true)
    var numbers = Numbers(seed: 15)
    let (rows, sequence) = (8, 4)
    let scores = numbers.floats(rows * 6).map { abs($0) + 0.01 }
    let experts = (0..<rows).flatMap { row in
      let first = numbers.below(6, count: 1)[0]
      return [first, (first + 1 + Int32(row % 5)) % 6]
    }
    func reference(_ x: [Double]) -> Double {
      (0..<rows / sequence).reduce(0) { sum, s in
        var counts = [Int](repeating: 0, count: 6)
        for slot in s * sequence * 2..<(s + 1) * sequence * 2 { counts[Int(experts[slot])] += 1 }
        let part = (s * sequence..<(s + 1) * sequence).map { Array(x[$0 * 6..<$0 * 6 + 6]) }
        return sum + Reference.balanceLoss(scores: part, counts: counts, alpha: 0.3, rule)
      }
    }
    let runs = [BalanceRun(0..<4), BalanceRun(4..<8)]
    let loss = balanceLoss(scores: scores, experts: experts, runs: runs, alpha: 0.3, rule)
    #expect(abs(loss - reference(doubles(scores))) < 1e-6)
    let gradient = filled(scores.count) {
      balanceLossBackward(
        $0, scores: scores, experts: experts, rows: rows, runs: runs, alpha: 0.3, scale: 2, rule)
    }
    let expected = Reference.gradient(at: doubles(scores)) { 2 * reference($0) }
    expectClose(gradient, expected, within: 2e-5)
    // Rows of no run neither count nor have a gradient, and a run has its weight.
    let last = [BalanceRun(4..<8, weight: 3)]
    let own = balanceLoss(scores: scores, experts: experts, runs: last, alpha: 0.1, rule)
    let first = balanceLoss(
      scores: scores, experts: experts, runs: [BalanceRun(0..<4)], alpha: 0.3, rule)
    #expect(abs(own - (loss - first)) < 1e-12)
    let part = filled(scores.count) {
      balanceLossBackward(
        $0, scores: scores, experts: experts, rows: rows, runs: last, alpha: 0.1, scale: 2, rule)
    }
    #expect(part[..<24].allSatisfy { $0 == 0 })
    expectClose(Array(part[24...]), doubles(Array(gradient[24...])), within: 1e-6)
  }

  /// Two layers of eight rows: counts and means over both, by the formula in Double.
  @Test func joinedBalanceAndItsGradient() {
    let rule = RouterRule(experts: 6, chosen: 2, score: .softmax, isNormalised: true)
    var numbers = Numbers(seed: 16)
    let rows = 8
    let scores = numbers.floats(2 * rows * 6).map { abs($0) + 0.01 }
    let experts = (0..<2 * rows).flatMap { row in
      let first = numbers.below(6, count: 1)[0]
      return [first, (first + 1 + Int32(row % 5)) % 6]
    }
    func reference(_ x: [Double]) -> Double {
      (0..<6).reduce(0) { sum, expert in
        let share = Double(experts.count { Int($0) == expert }) / 16
        let probability = (0..<16).reduce(0.0) { mean, row in
          mean + x[row * 6 + expert] / x[row * 6..<row * 6 + 6].reduce(0, +) / 16
        }
        return sum + 6 * share * probability
      }
    }
    var joined = JoinedBalance(experts: 6)
    for layer in 0..<2 {
      joined.add(
        scores: Array(scores[layer * rows * 6..<(layer + 1) * rows * 6]),
        experts: Array(experts[layer * rows * 2..<(layer + 1) * rows * 2]), rows: 0..<rows, rule)
    }
    #expect(joined.rows == 16)
    expectCarried(joined, experts: 6)
    #expect(abs(joined.loss - reference(doubles(scores))) < 1e-6)
    let expected = Reference.gradient(at: doubles(scores)) { 0.7 * reference($0) }
    for layer in 0..<2 {
      let part = layer * rows * 6..<(layer + 1) * rows * 6
      let gradient = filled(part.count) {
        joined.backward($0, scores: Array(scores[part]), rows: 0..<rows, weight: 0.7)
      }
      expectClose(gradient, Array(expected[part]), within: 2e-5)
    }
  }

  /// Written and read, at any place in memory, sums are what they were, to the bit.
  private func expectCarried(_ joined: JoinedBalance, experts: Int) {
    let count = JoinedBalance.byteCount(experts: experts)
    #expect(count == experts * 12 + 4)
    for offset in [0, 4] {
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count + 8, alignment: 8)
      defer { memory.deallocate() }
      memory.initializeMemory(as: UInt8.self, repeating: 0xEE)
      let place = UnsafeMutableRawBufferPointer(rebasing: memory[offset..<offset + count])
      joined.write(to: place)
      let read = JoinedBalance(experts: experts, from: UnsafeRawBufferPointer(place))
      #expect(read.rows == joined.rows)
      #expect(read.loss.bitPattern == joined.loss.bitPattern)
      #expect(memory[..<offset].allSatisfy { $0 == 0xEE })
      #expect(memory[(offset + count)...].allSatisfy { $0 == 0xEE })
    }
  }

  @Test func permutingIsStableAndCombiningUndoesIt() {
    var numbers = Numbers(seed: 16)
    let (rows, chosen, columns, count) = (11, 3, 10, 5)
    let experts = numbers.below(count + 1, count: rows * chosen).map { $0 - 1 }
    var order = [Int32](repeating: -9, count: rows * chosen)
    var positions = order
    var counts = [Int32](repeating: 0, count: count)
    let here = expertOrder(
      order: &order, positions: &positions, counts: &counts, experts: experts, rows: rows,
      chosen: chosen, expertCount: count)
    let slots = experts.indices.filter { experts[$0] >= 0 }
    let sorted = slots.sorted { (experts[$0], $0) < (experts[$1], $1) }
    #expect(order.prefix(here).map(Int.init) == sorted)
    #expect(
      counts.map(Int.init) == (0..<count).map { e in slots.filter { experts[$0] == e }.count })

    let x = numbers.floats(rows * columns)
    let y = filled(here * columns) {
      permuteForward($0, x, order: order, permuted: here, chosen: chosen, columns: columns)
    }
    for (position, slot) in sorted.enumerated() {
      let row = slot / chosen
      #expect(
        y[position * columns..<(position + 1) * columns] == x[row * columns..<(row + 1) * columns])
    }
    let dy = numbers.floats(here * columns)
    let dx = filled(x.count, preset: 1) {
      permuteBackward(
        $0, dy, positions: positions, rows: rows, chosen: chosen, columns: columns,
        accumulate: true)
    }
    var expected = [Double](repeating: 1, count: x.count)
    for (position, slot) in sorted.enumerated() {
      for c in 0..<columns {
        expected[slot / chosen * columns + c] += Double(dy[position * columns + c])
      }
    }
    expectClose(dx, expected)
  }

  @Test func combinationAndItsGradients() {
    var numbers = Numbers(seed: 17)
    let (rows, chosen, columns) = (5, 2, 9)
    let positions: [Int32] = [3, 0, -1, 1, 2, 4, 5, -1, 7, 6]
    let (x, w) = (numbers.floats(8 * columns), numbers.floats(rows * chosen))
    let dy = numbers.floats(rows * columns)
    func forward(_ x: [Double], _ w: [Double]) -> [Double] {
      var out = [Double](repeating: 0, count: rows * columns)
      for (slot, position) in positions.enumerated() where position >= 0 {
        for c in 0..<columns {
          out[slot / chosen * columns + c] += w[slot] * x[Int(position) * columns + c]
        }
      }
      return out
    }
    let y = filled(rows * columns) {
      combineForward(
        $0, x, weights: w, positions: positions, rows: rows, chosen: chosen, columns: columns)
    }
    expectClose(y, forward(doubles(x), doubles(w)))
    var dw = [Float](repeating: .nan, count: w.count)
    let dx = filled(x.count) {
      combineBackward(
        $0, weights: &dw, dy, x, weights: w, positions: positions, rows: rows, chosen: chosen,
        columns: columns)
    }
    let inputs = Reference.gradient(at: doubles(x)) {
      product(forward($0, doubles(w)), doubles(dy))
    }
    expectClose(dx, inputs)
    let weights = Reference.gradient(at: doubles(w)) {
      product(forward(doubles(x), $0), doubles(dy))
    }
    expectClose(dw, weights)
  }
}
