import MessagePassing
import Models
import Plans
import Programs
import Quantities
import Schedules
import Tokens

/// Completions of many prompts at once: rows of fixed blocks, each with a cache of its own, through the
/// same stages as training.
///
/// Every forward feeds one token of each row, of its prompt or the one that was sampled last, so a row is
/// at work whatever its neighbours do, and takes the next prompt when its completion ends. Products keep
/// rows apart: what a row computes depends on its text alone, not on its place, its neighbours, or how
/// many ranks share the work, bit by bit.
package final class RolloutGenerator {
  /// A completion that is wanted.
  package struct Request: Sendable {
    var prompt: [Int32]
    /// What chance follows from, beside the seed and the position.
    var counters: [Int]
    /// Its own most tokens, where it has fewer than the others.
    var maximum = Int.max

    package init(prompt: [Int32], counters: [Int]) {
      (self.prompt, self.counters) = (prompt, counters)
    }
  }

  /// Rows of a block at most: of a microbatch.
  package static let rowsOfABlock = 32
  /// Bytes of a core's second-level cache that weights and caches of a block's rows are to lie in together:
  /// that of Intel's server cores with AVX-512 from 2017 on (Skylake-SP to Cascade Lake; later ones have more).
  package static let nearBytes = 1 << 20
  /// Blocks of a data rank at most; more completions wait for a row.
  ///
  /// One where there is one stage: the caches of all blocks are read in every forward, and those of one
  /// stay nearer to the core (a model of 64 columns, 80 positions: 2.6 MB, of four 10.5). A pipeline is
  /// filled by eight.
  package static func mostBlocks(_ plan: Plan) -> Int { plan.pipelineParallel == 1 ? 1 : 8 }

  /// Rows of a block: half of the most, or a quarter, where with so many the weights and the caches, half
  /// full in the mean, stay near the core, and with more they do not.
  ///
  /// All are read in every forward. Of one stage alone: along a pipeline the caches of all blocks are. Of a
  /// model whose weights lie farther away the most rows share each reading of them.
  package static func rowsOfABlock(
    _ architecture: Architecture, _ plan: Plan, positions: Int
  ) -> Int {
    guard plan.pipelineParallel == 1 else { return rowsOfABlock }
    let weights = 4 * architecture.parameterCounts.total
    let row = positions * architecture.cachedBytesPerPosition / 2
    return [rowsOfABlock, rowsOfABlock / 2, rowsOfABlock / 4].first {
      weights + $0 * row <= nearBytes
    } ?? rowsOfABlock
  }

  package let rank: ForwardRank
  private let tokens = RowTokens()
  private let plan: Plan
  private let communicator: any Communicator
  private let ends: Set<Int32>
  /// Tokens that may be sampled: those from 0 on.
  private let known: Int
  /// Rows of all data ranks.
  package let rows: Int
  /// Forwards of all its rows that this rank has run so far.
  package private(set) var forwards = 0

  /// Takes up a rank's part; parameters are zero until they are taken.
  ///
  /// - Parameters:
  ///   - plan: that of training, whose ranks, schedule and stages it shares.
  ///   - positions: tokens of a prompt with its completion at most.
  ///   - wanted: completions that are made at once, for which there are rows as far as there are blocks.
  ///   - ends: the tokens that end a completion.
  ///   - known: tokens that may be sampled, where a tokenizer has fewer than the model.
  ///   - mostBlocks: blocks of a data rank at most, where not as many as the plan asks for.
  ///   - rowsOfABlock: rows of a block, where not as many as its caches ask for; they change no bit.
  package init(
    _ architecture: Architecture, _ plan: Plan, _ communicator: any Communicator,
    layout: StageLayout?, positions: Int, wanted: Int, ends: Set<Int32>, known: Int? = nil,
    mostBlocks: Int? = nil, rowsOfABlock: Int? = nil
  ) throws {
    var plan = plan
    let mostBlocks = mostBlocks ?? Self.mostBlocks(plan)
    plan.microbatchSize =
      rowsOfABlock ?? Self.rowsOfABlock(architecture, plan, positions: positions)
    plan.sequenceLength = 1
    plan.gradientLanes = nil
    plan.recomputation = .none
    let rowsOfAll = plan.dataParallel * plan.microbatchSize
    let blocks = min(mostBlocks, max(1, (wanted + rowsOfAll - 1) / rowsOfAll))
    // A schedule may ask for a number of microbatches, such as two for each rank.
    var schedule: Schedule?
    for count in blocks...(blocks + 8 * plan.pipelineParallel) where schedule == nil {
      plan.globalBatch = count * rowsOfAll
      schedule = try? RankTrainer.schedule(of: plan)
    }
    self.plan = plan
    self.communicator = communicator
    self.ends = ends
    self.known = min(architecture.vocabularySize, known ?? .max)
    rows = plan.globalBatch
    rank = try ForwardRank(
      architecture, plan, communicator, tokens,
      .generation(positions: positions, microbatches: plan.microbatchCount), schedule: schedule,
      layout: layout)
    rank.backend.bench.keepsRowsApart = true
    rank.backend.repeatsForwards = true
    tokens.next = Array(repeating: 0, count: rows)
  }

  /// Makes completions; a collective, all ranks get the same.
  ///
  /// - Parameters:
  ///   - maximum: tokens of a completion at most.
  ///   - seed: from where chance comes.
  ///   - finished: given each completion as soon as it ends, with the number of its request.
  ///     Where a data rank needs nothing of the others, a rank is told of its own requests alone: the one
  ///     numbered r of every so many as there are ranks.
  /// - Throws: `TrainingError` where the model gives scores that are not numbers.
  package func complete(
    _ requests: [Request], maximum: Int, _ sampling: Sampling, seed: UInt64,
    finished: (_ request: Int, Made) -> Void = { _, _ in }
  ) throws -> [Made] {
    var made = Array(repeating: Made(), count: requests.count)
    let place = rank.backend.assignment.place.data
    let own = rows / plan.dataParallel
    var queue = RowQueue(
      rows: rows, filling: isApart ? place * own..<(place + 1) * own : 0..<rows,
      isApart ? requestsOfRank(place, of: requests.count) : Array(requests.indices))
    var isNumeric = true
    // Weights stay as they are until all completions are there.
    rank.backend.bench.forgetWeights()
    defer { rank.backend.bench.forgetWeights() }
    // A rank without a request runs once, too: a forward of all ranks may be recorded.
    var isBusy = !requests.isEmpty
    while isBusy {
      for row in 0..<rows { tokens.next[row] = token(of: row, queue, requests, made) }
      setCaches(queue)
      var chosen = [Double](repeating: 0, count: 2 * rows)
      _ = try rank.run(
        .logits { _, microbatch, scores in
          self.choose(
            microbatch, scores, queue, requests, made, sampling, seed: seed, into: &chosen)
        })
      forwards += 1
      if !isApart { try communicator.allReduce(&chosen, .sum) }
      for row in 0..<rows {
        guard let request = queue.requests[row] else { continue }
        queue.fed[row] += 1
        guard queue.fed[row] >= requests[request].prompt.count else { continue }
        guard chosen[2 * row].isFinite, chosen[2 * row + 1].isFinite else {
          isNumeric = false
          break
        }
        let token = Int32(chosen[2 * row]) - 1
        made[request].tokens.append(token)
        made[request].logProbabilities.append(Float(chosen[2 * row + 1]))
        made[request].isEnded = ends.contains(token)
        let most = min(maximum, requests[request].maximum)
        guard made[request].isEnded || made[request].tokens.count == most else { continue }
        finished(request, made[request])
        queue.takeNext(row)
      }
      isBusy = isNumeric && queue.isBusy
    }
    if isApart && plan.dataParallel > 1 { isNumeric = try exchange(&made, isNumeric: isNumeric) }
    guard isNumeric else { throw TrainingError.notFiniteScores }
    return made
  }

  /// What was sampled for a request.
  package struct Made: Hashable, Sendable {
    package var tokens: [Int32] = []
    /// Of each token as it was sampled.
    package var logProbabilities: [Float] = []
    /// Whether the last token is the one that ends a completion.
    package var isEnded = false
  }

  /// Whether a data rank needs nothing of the others until all completions are there.
  ///
  /// No stage, expert or part of a parameter of theirs: it then does not wait for the slowest one behind
  /// every forward.
  private var isApart: Bool {
    plan.worldSize == plan.dataParallel && plan.expertParallel == 1 && plan.zeroStage != .parameters
  }

  /// The requests of a rank where ranks are apart.
  private func requestsOfRank(_ rank: Int, of count: Int) -> [Int] {
    Array(stride(from: rank, to: count, by: plan.dataParallel))
  }

  /// Gives all ranks what each has made of its own requests, and says whether all scores were numbers.
  private func exchange(_ made: inout [Made], isNumeric: Bool) throws -> Bool {
    let own = requestsOfRank(rank.backend.assignment.place.data, of: made.count)
    var words: [UInt32] = [isNumeric ? 1 : 0]
    for made in own.map({ made[$0] }) {
      words += [UInt32(made.tokens.count), made.isEnded ? 1 : 0]
      words += made.tokens.map { UInt32(bitPattern: $0) } + made.logProbabilities.map(\.bitPattern)
    }
    var rest = try communicator.allGather(words)[...]
    var areNumeric = true
    for rank in 0..<plan.dataParallel {
      areNumeric = rest.removeFirst() == 1 && areNumeric
      for request in requestsOfRank(rank, of: made.count) {
        let (count, isEnded) = (Int(rest.removeFirst()), rest.removeFirst() == 1)
        let tokens = rest.prefix(count).map { Int32(bitPattern: $0) }
        rest = rest.dropFirst(count)
        let logProbabilities = rest.prefix(count).map { Float(bitPattern: $0) }
        rest = rest.dropFirst(count)
        made[request] = Made(
          tokens: tokens, logProbabilities: logProbabilities, isEnded: isEnded)
      }
    }
    return areNumeric
  }

  private func token(
    of row: Int, _ queue: RowQueue, _ requests: [Request], _ made: [Made]
  ) -> Int32 {
    guard let request = queue.requests[row] else { return 0 }
    let (prompt, fed) = (requests[request].prompt, queue.fed[row])
    return fed < prompt.count ? prompt[fed] : made[request].tokens[fed - prompt.count]
  }

  /// Rows of this data rank, whose caches are this rank's.
  private func setCaches(_ queue: RowQueue) {
    let count = rank.backend.cached.count
    let first = rank.backend.assignment.place.data * count
    for index in 0..<count { rank.backend.cached[index] = queue.fed[first + index] }
  }

  /// Samples behind the last known token of each row of a block.
  private func choose(
    _ microbatch: Int, _ scores: UnsafeBufferPointer<Float>, _ queue: RowQueue,
    _ requests: [Request], _ made: [Made], _ sampling: Sampling, seed: UInt64,
    into chosen: inout [Double]
  ) {
    let vocabulary = scores.count / plan.microbatchSize
    let first = rank.backend.assignment.globalMicrobatch(microbatch) * plan.microbatchSize
    for index in 0..<plan.microbatchSize {
      let row = first + index
      guard let request = queue.requests[row],
        queue.fed[row] + 1 >= requests[request].prompt.count
      else { continue }
      let unit = SeededGenerator.unit(
        seed: seed, requests[request].counters, made[request].tokens.count)
      let place = index * vocabulary
      let own = UnsafeBufferPointer(rebasing: scores[place..<place + known])
      let drawn = sampling.draw(from: own, unit)
      chosen[2 * row] = drawn.map { Double($0.token + 1) } ?? .nan
      chosen[2 * row + 1] = drawn?.logProbability ?? .nan
    }
  }
}

/// Which row makes the completion of which request: a row takes the next one as soon as it is free.
struct RowQueue {
  /// By row.
  private(set) var requests: [Int?]
  /// By row, the tokens that were fed of its text.
  var fed: [Int]
  private var waiting: ArraySlice<Int>

  /// The first ones in the first of the rows that are filled.
  init(rows: Int, filling own: Range<Int>, _ requests: [Int]) {
    self.requests = Array(repeating: nil, count: rows)
    fed = Array(repeating: 0, count: rows)
    waiting = requests[...]
    for row in own { takeNext(row) }
  }

  var isBusy: Bool { requests.contains { $0 != nil } }

  /// Gives a row that is free the next request, if there is one.
  mutating func takeNext(_ row: Int) {
    fed[row] = 0
    requests[row] = waiting.popFirst()
  }
}

/// The token that each row is fed next.
private final class RowTokens: SequenceSource {
  var next: [Int32] = []

  func withSequence(_ index: Int, _ body: (UnsafeBufferPointer<Int32>) -> Void) {
    [next[index], -1].withUnsafeBufferPointer(body)
  }
}
