import Plans

/// The lengths of documents at which attention is priced, and what kernels attend to them.
///
/// Rows of a document that lie on one of several context ranks meet the keys in front of them, on average as
/// many as the rows of some other document do: from row a to row b they cost what as many rows of a document of
/// a + b do, since a kernel needs a time for each pair and a time for each row. With `gather` one kernel meets
/// all keys, so that this length may be up to twice the sequence's. Around a ring the kernel of a rank's own block
/// attends to what lies of a document on that rank, as to a document of so many rows; the blocks of other ranks
/// take as much of their whole time as they have of its pairs.
package struct DocumentLengths: Hashable, Sendable {
  /// Ascending: 16, 32, 64 … up to `whole`, over gathered keys and twice that, too.
  package let points: [Int]
  /// That of the rank's sequence as its kernel sees it.
  package let whole: Int
  let sequence: Int
  let contextRanks: Int
  let isRing: Bool

  package init(_ plan: Plan) {
    sequence = plan.sequenceLength
    contextRanks = plan.contextParallel
    isRing = plan.contextParallel > 1 && plan.contextExchange == .ring
    whole = isRing ? sequence / contextRanks : sequence
    var points: [Int] = []
    var length = 16
    while length < whole {
      points.append(length)
      length *= 2
    }
    points.append(whole)
    if contextRanks > 1, !isRing { points.append(2 * whole) }
    self.points = points
  }
}

/// What one microbatch of one data rank has to attend to, on each of its context ranks.
struct MicrobatchLoad {
  private let lengths: DocumentLengths
  /// Of each context rank, how much of its tokens lies in documents of each length, and its pairs with blocks of
  /// other ranks, as a share of those of a whole sequence.
  private var shares: [[Double]]
  private var others: [Double]
  /// Of each, its pairs as a share of those of a whole sequence.
  private var contextWork: [Double]
  /// Its pairs and its tokens as shares of those of whole sequences.
  private(set) var work = 0.0
  private(set) var filled = 0.0

  init(_ lengths: DocumentLengths) {
    self.lengths = lengths
    let ranks = lengths.contextRanks
    shares = Array(repeating: Array(repeating: 0, count: lengths.points.count), count: ranks)
    others = Array(repeating: 0, count: ranks)
    contextWork = Array(repeating: 0, count: ranks)
  }

  /// The pairs of the heaviest of its context ranks.
  var heaviest: Double { contextWork.max() ?? 0 }

  /// How much of its attention's time that one takes, by length, and around a ring with other blocks.
  var timeShares: [Double] {
    let rank = contextWork.firstIndex(of: heaviest) ?? 0
    return lengths.isRing ? shares[rank] + [others[rank]] : shares[rank]
  }

  /// Adds the documents of one of so many sequences.
  mutating func add(_ documents: [Range<Int>], of sequences: Int) {
    let weight = 1 / Double(sequences)
    let length = Double(lengths.sequence)
    for document in documents {
      let tokens = Double(document.count)
      filled += weight * tokens / length
      work += weight * tokens * tokens / (length * length)
      for rank in contextWork.indices { add(document, weight, rank) }
    }
  }

  /// Adds what a context rank has of a document.
  private mutating func add(_ document: Range<Int>, _ weight: Double, _ rank: Int) {
    let ranks = lengths.contextRanks
    let length = Double(lengths.sequence)
    let chunk = length / Double(2 * ranks)
    // Its rows there, and twice the pairs that they have.
    var (rows, pairs) = (0.0, 0.0)
    // A rank by itself has one chunk behind the other.
    for number in [rank, 2 * ranks - 1 - rank] {
      let from = max(0, Double(number) * chunk - Double(document.lowerBound))
      let to = min(
        Double(document.count), Double(number + 1) * chunk - Double(document.lowerBound))
      guard to > from else { continue }
      rows += to - from
      pairs += to * to - from * from
    }
    guard rows > 0 else { return }
    contextWork[rank] += weight * pairs * Double(ranks) / (length * length)
    let share = weight * rows * Double(ranks) / length
    guard lengths.isRing else { return divide(share, at: pairs / rows, rank) }
    divide(share, at: rows, rank)
    // Of a whole sequence a rank's own block has one of as many parts as there are ranks.
    let whole = length * length / Double(ranks) * (1 - 1 / Double(ranks))
    others[rank] += weight * (pairs - rows * rows) / whole
  }

  /// Divides a share between the two lengths around a document's in proportion.
  private mutating func divide(_ share: Double, at length: Double, _ rank: Int) {
    let points = lengths.points
    guard let upper = points.firstIndex(where: { Double($0) >= length }) else {
      shares[rank][points.count - 1] += share
      return
    }
    guard upper > 0, Double(points[upper]) > length else {
      shares[rank][upper] += share
      return
    }
    let part =
      (length - Double(points[upper - 1])) / Double(points[upper] - points[upper - 1])
    shares[rank][upper] += share * part
    shares[rank][upper - 1] += share * (1 - part)
  }
}
