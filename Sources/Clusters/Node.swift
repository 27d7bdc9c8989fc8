import Documents
import Quantities

/// One machine: its devices, the link that joins them, and its adapters to the network.
public struct Node: Hashable, Sendable {
  /// Devices per node.
  public var devices: Sourced<Int>
  public var link: Link
  /// The adapters to the network; nil where the cluster is a single node.
  public var adapters: Adapters?
  /// Constants of the expert exchange, and of collectives, by names that the room Costs defines.
  public var exchange: KernelParameters
  public var collectives: KernelParameters

  /// What joins the devices of a node.
  public struct Link: Hashable, Sendable {
    /// The product's name: `NVLink`.
    public var name: String
    /// Per device.
    public var rate: LinkRate
    /// From one device to another, a small message.
    public var latency: Sourced<Seconds>
    /// What all transfers inside a node share; nil where a switch serves every pair at full rate.
    public var sharedBandwidth: Sourced<BytesPerSecond>?
  }

  /// The adapters of a node.
  ///
  /// Each serves `devices / count` devices of consecutive index.
  public struct Adapters: Hashable, Sendable {
    /// The product's name: `ConnectX-7`.
    public var name: String
    public var count: Sourced<Int>
    /// Per adapter.
    public var rate: LinkRate
  }
}
