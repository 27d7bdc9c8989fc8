import Calibration
import Clusters
import Documents
import Foundation
import Testing

/// Constants of CPU ranks from a table of this machine.
@Suite struct HereFitTests {
  /// A product takes 2 us, 80 GFLOP/s, 20 GB/s of activations and 10 GB/s of weights.
  private static let constants = [2e-6, 1 / 80e9, 1 / 20e9, 1 / 10e9, 0]

  /// Twelve shapes with noise of a known size that is drawn from a fixed seed.
  private static func table(noise: Double, states: [(Int, Int)] = [(1, 1)]) -> HereTable {
    var table = HereTable()
    var state: UInt64 = 7
    func draw() -> Double {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(state >> 40) / Double(1 << 24) * 2 - 1
    }
    for (ranks, active) in states {
      for m in [16.0, 64, 256, 1024] {
        for (n, k) in [(32.0, 512.0), (256, 64), (384, 1536)] {
          let work = [2 * m * n * k, 4 * m * (n + k), 4 * n * k, 0]
          let exact = zip([1] + work, constants).reduce(0) { $0 + $1.0 * $1.1 }
          table.kernels.append(
            .init(
              .productForward, ranks: ranks, active: active, work: work,
              seconds: exact * (1 + noise * draw())))
        }
      }
    }
    for bytes in [64.0, 4096, 65_536, 1_048_576] {
      table.messages.append(.init(.node, bytes: bytes, seconds: 1e-6 + bytes / 5e9))
    }
    return table
  }

  @Test func constantsComeBack() throws {
    let exact = try HereFit(Self.table(noise: 0))
    for (found, known) in zip(exact.kernels[0].constants, Self.constants) {
      #expect(abs(found - known) <= 1e-6 * known)
    }
    #expect(exact.kernels[0].largestError < 1e-6)
    let noisy = try HereFit(Self.table(noise: 0.02))
    for (found, known) in zip(noisy.kernels[0].constants, Self.constants) where known > 0 {
      #expect(abs(found / known - 1) < 0.15, "\(found) of \(known)")
    }
    #expect(noisy.kernels[0].meanError < 0.04 && noisy.kernels[0].meanError > 1e-4)
    #expect(abs(exact.messages[0].constants[0] / 1e-6 - 1) < 1e-6)
    #expect(abs(exact.messages[0].constants[2] * 5e9 - 1) < 1e-6)
  }

  /// Messages that now and then wait for a turn cost what they cost in the mean, not what the quick ones do.
  @Test func messagesThatTakeTurnsCostTheirMean() throws {
    var table = Self.table(noise: 0, states: [(4, 4)])
    table.messages = []
    let seconds = [4e-6, 4e-3, 3e-3, 9e-6, 5e-3, 12e-3]
    for (bytes, time) in zip([64.0, 1024, 4096, 16_384, 65_536, 262_144], seconds) {
      table.messages.append(.init(.node, ranks: 4, active: 4, bytes: bytes, seconds: time))
    }
    let constants = try HereFit(table).messages[0].constants
    var expected = 0.0
    for bytes in [64.0, 1024, 4096, 16_384, 65_536, 262_144] {
      expected += constants[0] + bytes * constants[2]
    }
    let ratio: Double = expected / 24.013e-3
    #expect(ratio > 0.8 && ratio < 1.2, "\(constants)")
    #expect(constants[0] > 1e-3 && constants[0] < 4e-3, "\(constants)")
  }

  /// No part of a time is negative, whatever the noise.
  @Test func nothingIsNegative() throws {
    let fit = try HereFit(Self.table(noise: 0.5))
    #expect(fit.kernels.flatMap(\.constants).allSatisfy { $0 >= 0 })
  }

  /// The file that is written says what was fitted, and the table reads back as it was.
  @Test func theClusterReadsBack() throws {
    let table = Self.table(noise: 0, states: [(1, 1), (2, 1), (2, 2)])
    let again = try HereTable(text: table.text, file: "here.csv")
    #expect(again.kernels == table.kernels && again.messages == table.messages)
    let text = try HereFit(again).clusterText(name: "here", ranksPerNode: 2)
    let cluster = try Cluster(Document(text: text, name: "here.yaml"))
    let processor = try #require(cluster.device.processor)
    #expect(processor.rankCounts == [1, 2] && processor.rates.count == 3)
    #expect(abs(processor.rates[0].start.value / 2e-6 - 1) < 1e-4)
    #expect(abs((processor.rates[0].operations?.value ?? 0) / 80e9 - 1) < 1e-4)
    #expect(abs(cluster.node.link.rate.reached.value.value / 5e9 - 1) < 1e-4)
    #expect(cluster.rankCount == 2)
    // Several machines need messages between them.
    var far = again
    for bytes in [64.0, 65_536, 1_048_576] {
      far.messages.append(.init(.network, bytes: bytes, seconds: 50e-6 + bytes / 1e9))
    }
    let two = try Cluster(
      Document(
        text: HereFit(far).clusterText(name: "two", nodes: 2, ranksPerNode: 2), name: "two.yaml"))
    #expect(two.rankCount == 4)
    #expect(abs((two.network?.latency.sameLeaf.value.value ?? 0) / 50e-6 - 1) < 1e-4)
    #expect(throws: ConfigurationError.self) {
      try HereFit(again).clusterText(name: "two", nodes: 2, ranksPerNode: 2)
    }
  }

  /// Messages while others computed are fitted apart, and leave those while all wait as they were.
  @Test func messagesWhileOthersCompute() throws {
    var table = Self.table(noise: 0, states: [(4, 1), (4, 4)])
    for bytes in [64.0, 4096, 65_536, 1_048_576] {
      table.messages.append(
        .init(.node, ranks: 4, active: 4, bytes: bytes, seconds: 4e-3 + bytes / 1e9))
    }
    let again = try HereTable(text: table.text, file: "here.csv")
    #expect(again.messages == table.messages)
    let text = try HereFit(again).clusterText(name: "here", ranksPerNode: 4)
    let cluster = try Cluster(Document(text: text, name: "here.yaml"))
    #expect(abs(cluster.node.link.latency.value.value / 1e-6 - 1) < 1e-4)
    let crowded = try #require(cluster.device.processor?.messages)
    #expect(crowded.count == 1 && crowded[0].way == .node && crowded[0].active == 4)
    #expect(abs(crowded[0].start.value / 4e-3 - 1) < 1e-4)
    #expect(abs((crowded[0].bytes?.value ?? 0) / 1e9 - 1) < 1e-4)
  }

  /// What cannot be fitted is said with what is missing.
  @Test func whatIsMissingIsSaid() throws {
    var few = Self.table(noise: 0)
    few.kernels = Array(few.kernels.prefix(2))
    #expect(throws: ConfigurationError.self) { try HereFit(few) }
    do { _ = try HereFit(few) } catch {
      #expect("\(error)".contains("product-forward with 1 of 1 ranks active has 2 shapes"))
    }
    var half = Self.table(noise: 0, states: [(2, 1)])
    do {
      _ = try HereFit(half)
      Issue.record("nothing was measured with both ranks")
    } catch { #expect("\(error)".contains("lacks rows with all of them active")) }
    half = Self.table(noise: 0, states: [(2, 2)])
    half.messages = []
    let fit = try HereFit(half)
    #expect(throws: ConfigurationError.self) { try fit.clusterText(name: "here", ranksPerNode: 2) }
    #expect(throws: ConfigurationError.self) { try HereFit(HereTable()) }
  }

  /// Ranks of a machine that were not measured are no cluster, and what no cluster may have is not written.
  @Test func whatWasNotMeasuredIsRefused() throws {
    let fit = try HereFit(Self.table(noise: 0, states: [(1, 1), (2, 1), (2, 2)]))
    func rule(_ body: () throws -> Void) -> String {
      do { try body() } catch { return "\(error)" }
      return ""
    }
    let four = rule { _ = try fit.clusterText(name: "here", ranksPerNode: 4) }
    #expect(four.contains("has no kernels with 4 ranks on a machine; there are those with 1, 2"))
    for memory in ["nothing", "-1", "inf", "nan", "12"] {
      var table = fit.table
      table.facts = [("memory", memory)]
      let said = rule { _ = try HereFit(table).clusterText(name: "here", ranksPerNode: 2) }
      #expect(said.contains("expected the machine's bytes"), "\(memory): \(said)")
    }
    // A start of a month is no cluster's: the text is read back before anybody has it.
    var slow = fit.table
    for index in slow.kernels.indices { slow.kernels[index].seconds += 3e6 }
    let said = rule { _ = try HereFit(slow).clusterText(name: "here", ranksPerNode: 2) }
    #expect(said.contains("the cluster of the measurement"), "\(said)")
  }

  /// Errors are of every second shape, which the fit that predicts them has not seen.
  @Test func errorsAreOfWhatWasHeldBack() throws {
    var table = Self.table(noise: 0)
    let order = table.kernels.indices.sorted {
      table.kernels[$0].work.lexicographicallyPrecedes(table.kernels[$1].work)
    }
    for (place, index) in order.enumerated() where place % 2 == 1 {
      table.kernels[index].seconds *= 1.25
    }
    let part = try #require(try HereFit(table).kernels.first)
    #expect(part.isPredicted)
    #expect(abs(part.meanError - 0.2) < 1e-6 && abs(part.largestError - 0.2) < 1e-6)
  }

  /// Windows and old programs end lines otherwise, in a table and in its facts.
  @Test(arguments: ["\r\n", "\r"]) func otherLineEndsAreRead(end: String) throws {
    var table = Self.table(noise: 0)
    table.facts = [("processor", "a name"), ("memory", "8589934592")]
    let text = table.text.split(separator: "\n").joined(separator: end) + end
    let again = try HereTable(text: text, file: "here.csv")
    #expect(again.kernels == table.kernels && again.messages == table.messages)
    #expect(again[fact: "memory"] == "8589934592")
    // Faults are found on their lines.
    do {
      let cut = Self.head.replacing("\n", with: end) + "kernel,copy" + end
      _ = try HereTable(text: cut, file: "here.csv")
      Issue.record("a cut line was read")
    } catch { #expect("\(error)".contains("here.csv:2")) }
  }

  static let head = "part,name,ranks,active,flops,bytes,weights,rows,seconds,rate\n"
  static let faults = [
    ("", "has no line of columns"), ("a,b\n", "expected the columns"),
    (head + "kernel,copy,1,1,0,8,0,0,1e-6\n", "has 9 cells, expected 10"),
    // Microseconds where seconds are said.
    (head + "kernel,copy,1,1,0,8,0,0,1,8\n", "contradict each other"),
    (head + "kernel,coppy,1,1,0,8,0,0,1e-6,8\n", "did you mean copy"),
    (head + "kernel,copy,1,2,0,8,0,0,1e-6,8\n", "active must not exceed"),
    (head + "kernel,copy,0,1,0,8,0,0,1e-6,8\n", "whole number from 1"),
    (head + "kernel,copy,1,1,0,8,0,0,nan,8\n", "expected a number above 0"),
    (head + "kernel,copy,1,1,0,-8,0,0,1e-6,8\n", "of at least 0"),
    (head + "message,air,2,2,0,8,0,0,1e-6,8\n", "message of node or network"),
    (head + "message,node,2,1,0,8,0,0,1e-6,8\n", "at least the message's 2 ranks"),
    (head + "word,copy,1,1,0,8,0,0,1e-6,8\n", "a part kernel or message"),
  ]

  @Test(arguments: faults) func faultsAreNamed(text: String, rule: String) {
    do {
      _ = try HereTable(text: text, file: "here.csv")
      Issue.record("read: \(text)")
    } catch {
      #expect("\(error)".contains(rule), "\(error)")
      #expect("\(error)".hasPrefix("here.csv"))
    }
  }

  /// A table that is cut anywhere is read, or refused with a line; nothing else happens.
  @Test func cutTables() {
    let bytes = Array(Self.table(noise: 0).text.utf8)
    for length in stride(from: 0, to: bytes.count, by: 3) {
      let text = String(decoding: bytes[..<length], as: UTF8.self)
      _ = try? HereFit(HereTable(text: text, file: "cut.csv"))
    }
  }
}
