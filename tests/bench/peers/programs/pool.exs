# A pool of ports: pool.exs SOCKET WORKERS PROGRAM ARGUMENT...
#
# A process for each connection takes a free worker, or waits for one; hands it a request, and gives
# it back with the answer.

defmodule Worker do
  # Owns the port of one Python process.
  use GenServer

  def start_link(command), do: GenServer.start_link(__MODULE__, command)
  def run(worker, request), do: GenServer.call(worker, request, :infinity)

  @impl true
  def init([program | arguments]) do
    options = [:binary, :exit_status, {:packet, 4}, {:args, arguments}]
    {:ok, Port.open({:spawn_executable, program}, options)}
  end

  @impl true
  def handle_call(request, _from, port) do
    Port.command(port, request)

    receive do
      {^port, {:data, answer}} -> {:reply, answer, port}
    end
  end
end

defmodule Pool do
  # Who is free, and who waits.
  use GenServer

  def start_link(workers), do: GenServer.start_link(__MODULE__, workers, name: __MODULE__)
  def take, do: GenServer.call(__MODULE__, :take, :infinity)
  def give(worker), do: GenServer.cast(__MODULE__, {:give, worker})

  @impl true
  def init(workers), do: {:ok, {workers, :queue.new()}}

  @impl true
  def handle_call(:take, from, {[], waiting}), do: {:noreply, {[], :queue.in(from, waiting)}}
  def handle_call(:take, _from, {[worker | rest], waiting}), do: {:reply, worker, {rest, waiting}}

  @impl true
  def handle_cast({:give, worker}, {free, waiting}) do
    case :queue.out(waiting) do
      {{:value, from}, rest} ->
        GenServer.reply(from, worker)
        {:noreply, {free, rest}}

      {:empty, _} ->
        {:noreply, {[worker | free], waiting}}
    end
  end
end

defmodule Connection do
  def accept(listener) do
    {:ok, socket} = :gen_tcp.accept(listener)
    pid = spawn(fn -> receive(do: (:go -> serve(socket))) end)
    :ok = :gen_tcp.controlling_process(socket, pid)
    send(pid, :go)
    accept(listener)
  end

  defp serve(socket) do
    with {:ok, request} <- :gen_tcp.recv(socket, 0) do
      worker = Pool.take()
      answer = Worker.run(worker, request)
      Pool.give(worker)
      :gen_tcp.send(socket, answer)
      serve(socket)
    end
  end
end

[path, count | command] = System.argv()

workers =
  for _ <- 1..String.to_integer(count) do
    {:ok, worker} = Worker.start_link(command)
    worker
  end

{:ok, _} = Pool.start_link(workers)
options = [:binary, {:ifaddr, {:local, path}}, {:packet, 4}, {:active, false}, {:backlog, 128}]
{:ok, listener} = :gen_tcp.listen(0, options)
Connection.accept(listener)
