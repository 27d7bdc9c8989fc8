import Costs
import Plans
import Quantities
import RealModule

/// What attention within documents takes of each microbatch on the ranks that a step waits for.
///
/// Every rank's sequences are filled with documents. Where ranks meet within a pass (context ranks in every
/// attention, data ranks in expert exchanges), each of its microbatches is as heavy as that of the heaviest;
/// where data ranks meet at the end of a step alone, they wait for the one whose microbatches together are
/// heaviest. All replicas are simulated as that one.
///
/// A document takes its share of what a sequence full of documents of its length takes, so that kernels lose
/// on short ones what they were measured to lose. Between the lengths in `lengths` the share is divided in
/// proportion. Context ranks, each of which holds the n-th and the n-th last of two chunks for every rank, have
/// pieces of documents (`DocumentLengths`).
package struct DocumentLoads: Sendable {
  /// At which attention is priced.
  package let lengths: DocumentLengths
  /// By microbatch, how much of a rank's tokens lies in documents of each of those lengths: at most 1
  /// together; of a ring one more, the share of a whole sequence's time that blocks of other ranks take.
  package let shares: [[Double]]
  /// Pairs of queries and keys of all ranks together, as a share of those of whole sequences.
  package let work: Double
  /// How much of all sequences is padding.
  package let padding: Double
  /// Of the whole documents, the share that is longer than a sequence and loses its end.
  package let shortened: Double

  /// - Parameters:
  ///   - lengths: those of a file; nil where they are drawn.
  ///   - seedOffset: how many seeds further than the plan's.
  package init(_ documents: PackedDocuments, lengths: [Int]?, _ plan: Plan, seedOffset: UInt64) {
    self.lengths = DocumentLengths(plan)
    var packer = SequencePacker(
      LengthStream(documents.lengths, file: lengths, seedOffset: seedOffset), documents.packing,
      sequence: plan.sequenceLength)
    let ranks = plan.dataParallel
    let members = max(
      1, plan.mesh.ranksPerAction / (plan.tensorParallel * plan.contextParallel))
    let groups = max(1, ranks / members)
    var sums = [Double](repeating: 0, count: groups)
    // The heaviest member's microbatch of each group, one behind the other.
    var heaviest = [[MicrobatchLoad]](repeating: [], count: groups)
    var (work, filled) = (0.0, 0.0)
    for _ in 0..<plan.microbatchCount {
      var loads: [MicrobatchLoad?] = Array(repeating: nil, count: groups)
      for rank in 0..<ranks {
        var load = MicrobatchLoad(self.lengths)
        for _ in 0..<plan.microbatchSize {
          load.add(packer.next(), of: plan.microbatchSize)
        }
        work += load.work
        filled += load.filled
        let group = min(rank / members, groups - 1)
        if loads[group].map({ $0.heaviest < load.heaviest }) ?? true { loads[group] = load }
      }
      for (group, load) in loads.enumerated() {
        guard let load else { continue }
        sums[group] += load.heaviest
        heaviest[group].append(load)
      }
    }
    var chosen = 0
    for group in sums.indices where sums[group] > sums[chosen] { chosen = group }
    shares = heaviest[chosen].map(\.timeShares)
    self.work = work / Double(ranks * plan.microbatchCount)
    padding = 1 - filled / Double(ranks * plan.microbatchCount)
    shortened = Double(packer.shortened) / Double(max(1, packer.taken))
  }
}

/// Fills sequences with documents, one after the other.
struct SequencePacker {
  private var lengths: LengthStream
  private let packing: PackedDocuments.Packing
  private let sequence: Int
  /// What is left of the document that comes next; 0 for none.
  private var left = 0
  /// Documents, or pieces of them, that were placed, and those of whole ones that were too long.
  private(set) var (taken, shortened) = (0, 0)

  init(_ lengths: LengthStream, _ packing: PackedDocuments.Packing, sequence: Int) {
    (self.lengths, self.packing, self.sequence) = (lengths, packing, sequence)
  }

  /// The places of the documents of the next sequence.
  mutating func next() -> [Range<Int>] {
    var documents: [Range<Int>] = []
    var place = 0
    while place < sequence {
      if left == 0 { left = lengths.next() }
      if packing == .whole, left > sequence - place, place > 0 { break }
      let length = min(left, sequence - place)
      documents.append(place..<place + length)
      place += length
      taken += 1
      // A whole document that is longer than a sequence loses its end.
      if packing == .whole, left > length { shortened += 1 }
      left = packing == .cut ? left - length : 0
    }
    return documents
  }
}

/// The lengths of documents, one after the other.
struct LengthStream {
  private let file: [Int]
  private var position = 0
  private let mean: Double
  private let spread: Double
  private var random: SeededGenerator

  /// - Parameter file: the lengths of the file that the plan names.
  init(_ lengths: PackedDocuments.Lengths, file: [Int]?, seedOffset: UInt64) {
    self.file = file ?? []
    switch lengths {
    case .file: (mean, spread, random) = (1, 0, SeededGenerator(seed: 0))
    case .distribution(let mean, let deviation, let seed):
      self.mean = mean
      // The logarithm's deviation, from that of the numbers themselves.
      spread = Double.log(1 + deviation * deviation).squareRoot()
      var seeds = SeededGenerator(seed: seed &+ seedOffset)
      random = SeededGenerator(seed: seeds.next())
    }
  }

  mutating func next() -> Int {
    guard file.isEmpty else {
      defer { position = (position + 1) % file.count }
      return file[position]
    }
    let length = mean * Double.exp(spread * random.normal() - spread * spread / 2)
    return max(1, Int(min(length, 1e12).rounded()))
  }
}
