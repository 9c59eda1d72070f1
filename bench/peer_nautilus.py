"""NautilusTrader's live node with its Binance client over loopback, a strategy's callbacks. Cases: trades, depth."""

from meter import from_arguments
from nautilus_trader.adapters.binance import (
    BINANCE,
    BinanceAccountType,
    BinanceDataClientConfig,
    BinanceLiveDataClientFactory,
)
from nautilus_trader.config import (
    InstrumentProviderConfig,
    LiveDataEngineConfig,
    LiveExecEngineConfig,
    LoggingConfig,
    StrategyConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import BookType
from nautilus_trader.model.identifiers import InstrumentId, TraderId
from nautilus_trader.trading.strategy import Strategy

meter = from_arguments("nautilus")


class Counting(Strategy):
    def on_start(self):
        for base in meter.bases:
            instrument = InstrumentId.from_str(f"{base}USDT.BINANCE")
            if meter.case in {"trades", "mix"}:
                self.subscribe_trade_ticks(instrument)
            if meter.case in {"depth", "mix"}:
                self.subscribe_order_book_deltas(instrument, BookType.L2_MBP)

    def on_trade_tick(self, trade):
        meter.trade(trade.trade_id.value)

    def on_order_book_deltas(self, _deltas):
        meter.one()


client = BinanceDataClientConfig(
    account_type=BinanceAccountType.SPOT,
    base_url_http=f"http://127.0.0.1:{meter.port}",
    base_url_ws=f"ws://127.0.0.1:{meter.port}",
    instrument_provider=InstrumentProviderConfig(load_all=True),
    update_instruments_interval_mins=None,
    use_agg_trade_ticks=True,
)
node = TradingNode(
    config=TradingNodeConfig(
        trader_id=TraderId("BENCH-001"),
        logging=LoggingConfig(log_level="ERROR"),
        data_engine=LiveDataEngineConfig(qsize=10_000_000),
        exec_engine=LiveExecEngineConfig(reconciliation=False),
        data_clients={BINANCE: client},
        timeout_connection=20.0,
    )
)
node.trader.add_strategy(Counting(StrategyConfig(strategy_id="COUNT-001")))
node.add_data_client_factory(BINANCE, BinanceLiveDataClientFactory)
node.build()
node.run()
